import type { EncoderSpec, NativeModelSpec } from '../../lib/engine/model-spec';
import { packTexts, type PackedTexts } from './cases';

/** A model without files, for tests of shapes and memory: `addon.createModel(spec, [], seed)`. */
export function randomSpec(encoder: Partial<EncoderSpec> = {}): NativeModelSpec {
  return {
    encoder: {
      architecture: 'bert',
      vocabSize: 100,
      hiddenSize: 64,
      layers: 4,
      heads: 2,
      intermediateSize: 128,
      positions: 512,
      typeVocabSize: 2,
      positionOffset: 0,
      layerNormEps: 1e-12,
      hiddenActivation: 'gelu',
      hiddenDropout: 0.1,
      attentionDropout: 0.1,
      ...encoder,
    },
    head: [{ kind: 'pooling', modes: ['mean'] }, { kind: 'normalize' }],
  };
}

/** Texts of the given numbers of tokens, whose ids go round the vocabulary. */
export function textsOfLengths(lengths: readonly number[], vocabulary = 100): PackedTexts {
  let next = 0;
  return packTexts(lengths.map((length) => Array.from({ length }, () => (next = (next * 31 + 7) % vocabulary))));
}
