import { join } from 'node:path';
import { ModelError } from '../system/errors';
import { show } from '../system/options';
import type { JsonObject } from '../system/json';
import { say, type Wording } from '../system/wording';

/**
 * Which of transformers' tokenizer classes a folder is for, and what that class does. Its release 5 makes BertTokenizer,
 * RobertaTokenizer and XLMRobertaTokenizer anew from the vocabulary, whatever else tokenizer.json says, and runs the file
 * as it is for classes that it does not know. Source: transformers 5.24, models/auto/tokenization_auto.py, tokenization_utils_tokenizers.py.
 */

/** Text of a special token, and how it is found in a text where that is not transformers' usual. */
type Roles = Record<string, string>;

/** A class that is made from its vocabulary. */
export interface TokenizerFamily {
  algorithm: 'WordPiece' | 'BPE' | 'Unigram';
  /** Special tokens by role, unless the configuration names others; in transformers' order, in which ids are given. */
  tokens: Roles;
  /** Whether its special tokens are looked for in the normalised text. */
  normalized: boolean;
  /** Whether the mask takes the space before it. */
  maskStrips: boolean;
  /** Of Unigram: the id of what is unknown, where it is not that of its text. */
  unknownId?: number;
  /** Of Unigram: whether a sentencepiece model alone can be converted. */
  fromSentencePiece?: boolean;
  /** Special tokens without a role, where the configuration names none. */
  extras?: readonly string[];
  /** Of Unigram: whether quotes, accents and case are folded before its own table, as the configuration says. */
  folds?: boolean;
}

const BERT: TokenizerFamily = {
  algorithm: 'WordPiece',
  tokens: { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' },
  normalized: false,
  maskStrips: false,
};
const MPNET: TokenizerFamily = {
  algorithm: 'WordPiece',
  tokens: {
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '[UNK]',
    sep_token: '</s>',
    pad_token: '<pad>',
    cls_token: '<s>',
    mask_token: '<mask>',
  },
  normalized: true,
  maskStrips: true,
};
const ROBERTA: TokenizerFamily = {
  algorithm: 'BPE',
  tokens: {
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    sep_token: '</s>',
    pad_token: '<pad>',
    cls_token: '<s>',
    mask_token: '<mask>',
  },
  normalized: false,
  maskStrips: false,
};

/** Its vocabulary is sentencepiece's, with fairseq's four special tokens in front and the mask behind. */
const XLM_ROBERTA: TokenizerFamily = { ...ROBERTA, algorithm: 'Unigram', unknownId: 3, fromSentencePiece: true };
const CAMEMBERT: TokenizerFamily = {
  ...ROBERTA,
  algorithm: 'Unigram',
  maskStrips: true,
  extras: ['<s>NOTUSED', '</s>NOTUSED', '<unk>NOTUSED'],
};

/** sentencepiece's vocabulary as it is, with BERT's special tokens in it. */
const ALBERT: TokenizerFamily = {
  algorithm: 'Unigram',
  tokens: {
    bos_token: '[CLS]',
    eos_token: '[SEP]',
    unk_token: '<unk>',
    sep_token: '[SEP]',
    pad_token: '<pad>',
    cls_token: '[CLS]',
    mask_token: '[MASK]',
  },
  normalized: false,
  maskStrips: false,
  unknownId: 1,
  folds: true,
};

const FAMILIES: Record<string, TokenizerFamily> = {
  AlbertTokenizer: ALBERT,
  BertTokenizer: BERT,
  DistilBertTokenizer: BERT,
  ElectraTokenizer: BERT,
  MobileBertTokenizer: BERT,
  SqueezeBertTokenizer: BERT,
  LxmertTokenizer: BERT,
  LayoutLMTokenizer: BERT,
  ConvBertTokenizer: BERT,
  DPRContextEncoderTokenizer: BERT,
  DPRQuestionEncoderTokenizer: BERT,
  MPNetTokenizer: MPNET,
  RobertaTokenizer: ROBERTA,
  BartTokenizer: ROBERTA,
  LEDTokenizer: ROBERTA,
  LongformerTokenizer: ROBERTA,
  MvpTokenizer: ROBERTA,
  XLMRobertaTokenizer: XLM_ROBERTA,
  CamembertTokenizer: CAMEMBERT,
};

/** Classes that transformers makes anew from their vocabulary, and vectune runs as tokenizer.json has them. */
const REBUILT = new Set([
  'BarthezTokenizer',
  'BigBirdTokenizer',
  'BlenderbotTokenizer',
  'CLIPTokenizer',
  'CodeGenTokenizer',
  'CodeLlamaTokenizer',
  'CohereTokenizer',
  'DebertaTokenizer',
  'DebertaV2Tokenizer',
  'FNetTokenizer',
  'GPT2Tokenizer',
  'GPTNeoXTokenizer',
  'GemmaTokenizer',
  'HerbertTokenizer',
  'LayoutLMv2Tokenizer',
  'LayoutLMv3Tokenizer',
  'LayoutXLMTokenizer',
  'LlamaTokenizer',
  'LukeTokenizer',
  'MBart50Tokenizer',
  'MBartTokenizer',
  'MLukeTokenizer',
  'MarkupLMTokenizer',
  'NllbTokenizer',
  'OpenAIGPTTokenizer',
  'PegasusTokenizer',
  'Qwen2Tokenizer',
  'ReformerTokenizer',
  'RemBertTokenizer',
  'SplinterTokenizer',
  'T5Tokenizer',
  'UdopTokenizer',
  'XGLMTokenizer',
  'XLNetTokenizer',
]);

/** How some of them split texts: a tokenizer.json that says the same is what they make. */
const KNOWN_SPLITS: Record<string, { normalizer: JsonObject; pre_tokenizer: JsonObject }> = {
  GemmaTokenizer: {
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
  },
  Qwen2Tokenizer: {
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: {
            Regex:
              "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
          },
          behavior: 'Isolated',
          invert: false,
        },
        { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      ],
    },
  },
};

/**
 * Whether transformers makes the class anew, so that its ids need not be those of tokenizer.json.
 *
 * @param sameSplit whether the file's normaliser and pre-tokeniser are those given
 */
export function isRebuilt(
  { name, family, asItIs }: TokenizerClass,
  json: JsonObject,
  sameSplit: (known: { normalizer: JsonObject; pre_tokenizer: JsonObject }) => boolean,
): boolean {
  if (asItIs || family !== undefined || !REBUILT.has(name)) return false;
  // transformers itself runs such a file as it is.
  if (name === 'LlamaTokenizer' && JSON.stringify(json['pre_tokenizer'] ?? null).includes('"ByteLevel"')) return false;
  return !(Object.hasOwn(KNOWN_SPLITS, name) && sameSplit(KNOWN_SPLITS[name]!));
}

/** Classes whose algorithm is Python of their own, or sentencepiece's, or is not what their tokenizer.json says. */
const PYTHON = new Set([
  'BartphoTokenizer',
  'BertGenerationTokenizer',
  'BertJapaneseTokenizer',
  'BertTokenizerLegacy',
  'BertweetTokenizer',
  'BioGptTokenizer',
  'BlenderbotSmallTokenizer',
  'ByT5Tokenizer',
  'CTRLTokenizer',
  'CanineTokenizer',
  'CharacterTokenizer',
  'ClvpTokenizer',
  'CpmAntTokenizer',
  'CpmTokenizer',
  'DiaTokenizer',
  'EsmTokenizer',
  'FSMTTokenizer',
  'FastSpeech2ConformerTokenizer',
  'FlaubertTokenizer',
  'FunnelTokenizer',
  'GPTNeoXJapaneseTokenizer',
  'GPTSw3Tokenizer',
  'JumanppTokenizer',
  'M2M100Tokenizer',
  'MarianTokenizer',
  'MecabTokenizer',
  'MgpstrTokenizer',
  'MyT5Tokenizer',
  'PLBartTokenizer',
  'PerceiverTokenizer',
  'PhobertTokenizer',
  'Pop2PianoTokenizer',
  'ProphetNetTokenizer',
  'RagTokenizer',
  'RoCBertTokenizer',
  'SiglipTokenizer',
  'Speech2TextTokenizer',
  'SpeechT5Tokenizer',
  'SudachiTokenizer',
  'TapasTokenizer',
  'VitsTokenizer',
  'Wav2Vec2CTCTokenizer',
  'Wav2Vec2PhonemeCTCTokenizer',
  'XLMTokenizer',
]);

export interface TokenizerClass {
  /** Without `Fast`. */
  name: string;
  /** As it stands there. */
  given: string;
  /** Where the name stands; undefined where it follows from the architecture. */
  namedBy: string | undefined;
  /** undefined: tokenizer.json is run as it is. */
  family: TokenizerFamily | undefined;
  /** Whether transformers too runs tokenizer.json as it is for this architecture, whatever class is named. */
  asItIs: boolean;
}

/** transformers' class that runs tokenizer.json as it is, as architectures name it. */
const AS_IT_IS = 'PreTrainedTokenizer';

/** The family of a class, by its name without `Fast`. */
export function tokenizerFamily(name: string): TokenizerFamily | undefined {
  return Object.hasOwn(FAMILIES, name) ? FAMILIES[name] : undefined;
}

/**
 * @param fallback the class where neither file names one
 * @throws ModelError ERR_TOKENIZER: a class that vectune cannot do as
 */
export function tokenizerClass(
  folder: string,
  fallback: string,
  tokenizerConfig: JsonObject,
  encoderConfig: JsonObject,
): TokenizerClass {
  const file = join(folder, 'tokenizer_config.json');
  // Source: MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS of tokenization_auto.py.
  if (fallback === AS_IT_IS) {
    return { name: fallback, given: fallback, namedBy: undefined, family: undefined, asItIs: true };
  }
  for (const [config, place] of [
    [tokenizerConfig, file],
    [encoderConfig, join(folder, 'config.json')],
  ] as const) {
    const given = config['tokenizer_class'];
    if (given === undefined || given === null || given === '') continue;
    if (typeof given !== 'string') {
      const found = show(given);
      throw new ModelError('ERR_TOKENIZER', `${place}: "tokenizer_class" must be a string, found ${found}.`, {
        file: place,
      });
    }
    const name = given.replace(/Fast$/, '');
    if (PYTHON.has(name)) {
      throw new ModelError(
        'ERR_TOKENIZER',
        `${place} names the tokenizer class "${given}", which splits texts in a way of its own that vectune does not ` +
          'have. Choose a model whose tokenizer is one of BertTokenizer, DistilBertTokenizer, ' +
          'RobertaTokenizer, XLMRobertaTokenizer, or a tokenizer.json.',
        { file: place },
      );
    }
    refuseOtherWords(tokenizerConfig, file);
    return { name, given, namedBy: place, family: tokenizerFamily(name), asItIs: false };
  }
  refuseOtherWords(tokenizerConfig, file);
  return { name: fallback, given: fallback, namedBy: undefined, family: FAMILIES[fallback], asItIs: false };
}

/** BertJapaneseTokenizer's settings, in a folder that does not name the class. */
function refuseOtherWords(config: JsonObject, file: string): void {
  for (const [key, ours] of [
    ['word_tokenizer_type', 'basic'],
    ['subword_tokenizer_type', 'wordpiece'],
  ] as const) {
    const found = config[key];
    if (found === undefined || found === null || found === ours) continue;
    throw new ModelError(
      'ERR_TOKENIZER',
      `${file}: "${key}" is ${show(found)}, which is not how vectune splits texts ("${ours}"). Choose another model.`,
      { file },
    );
  }
}

/** How to make a folder's tokenizer.json, once. */
export function tokenizerRemedy(folder: string): Wording {
  const name = folder.replaceAll(/[\\']/g, '\\$&');
  const python = `from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('${name}').save_pretrained('${name}')`;
  return say`Write it once with Python:\n  python -c "${python.replaceAll(/[\\"$`]/g, '\\$&')}"`;
}

/** What to do about a class that only a tokenizer.json describes, and there is none. */
export function needsTokenizerJson(folder: string, { given, namedBy, asItIs }: TokenizerClass): ModelError {
  const which = asItIs
    ? `The tokenizer of this architecture is run from a tokenizer.json, and ${folder} has none.`
    : `${
        namedBy === undefined
          ? `No file of ${folder} names a tokenizer class, and the architecture has "${given}"`
          : `${namedBy} names the tokenizer class "${given}"`
      }, which vectune runs from a tokenizer.json only, and ${folder} has none.`;
  return new ModelError('ERR_TOKENIZER', which, { file: folder, remedy: tokenizerRemedy(folder) });
}
