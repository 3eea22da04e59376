/** How exactly the engine computes, and where. */

/**
 * Compute precision; master weights, moments and losses are fp32 in all. 'tf32' (fp32 with TF32 products) and 'fp16' (with
 * loss scaling) are for devices only.
 */
export type NativePrecision = 'fp32' | 'bf16' | 'tf32' | 'fp16';
/** For embedding on the processor also int8: the encoder's products of quantised weights and activations, all else fp32. */
export type EmbeddingPrecision = NativePrecision | 'int8';
/**
 * Where to compute: 'cpu', a GPU as 'cuda:0', or, for tests, 'cpu-tensors': what runs on GPUs, on LibTorch's CPU tensors.
 */
export type NativeDevice = string;
