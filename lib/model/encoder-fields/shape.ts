import type { EncoderSpec } from '../../engine/model-spec';

/** What an encoder's config.json says; defaults are those of Hugging Face's configuration class. */
export type Shape = Omit<EncoderSpec, 'architecture'>;
