#pragma once
// A GPU that is none: a libtorch_cuda.so for LibTorch's CPU build whose tensors say that they are on cuda:0 and lie in
// the processor's memory. Every branch of native/engine/torch that is for CUDA runs on it (pinned staging, events, the
// allocator and its bounds, packed attention's arguments, lost devices), and what would be wrong there on a real one is
// refused: operands of two devices, a host buffer that changes before its copy, arguments that the attention kernels do
// not take. Sums are the processor's, so it shows nothing of a GPU's numbers, kernels, time or asynchrony.
//
// Variables: VECTUNE_EMULATED_GPU_BYTES, its memory (default 8 GB); VECTUNE_EMULATED_GPU_FILE, a file by which
// processes share it (default: each has its own).
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>

namespace vectune::emulated_gpu {

// --- stream.cpp: one stream, whose kernels are done when they are begun and whose copies are done when they are waited
// for

/// Throws c10::AcceleratorError where a kernel has failed since the process began, as every call of a real driver does.
void check();
/// A kernel's own assertion fails when the stream comes to it.
void fail_assertion();
/// To be done when the stream comes to it: when an event after it is asked for, or the processor waits.
void enqueue(std::function<void()> work);
/// Everything enqueued, now: the processor waits for the device. Counted.
void synchronise();

// --- memory.cpp

c10::Allocator* allocator();
c10::Allocator* pinned_allocator();
bool is_pinned(const void* pointer);

// --- operators.cpp

/// The same memory as a tensor of the processor.
at::Tensor on_cpu(const at::Tensor& tensor);
/// A copy of a processor's tensor.
at::Tensor on_gpu(const at::Tensor& tensor);
/// The generator whose seed a step sets; what a kernel draws from it.
const at::Generator& default_generator();
uint64_t draw();
/// 1 / (1 - p) where kept, else 0.
at::Tensor dropout_scale(at::IntArrayRef sizes, double p, uint64_t seed);

}  // namespace vectune::emulated_gpu
