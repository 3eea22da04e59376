import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelErrorCode } from '../../../lib/system/errors';
import { removeFolders } from '../native/support/folders';
import { changeModules, moveEncoder } from './support/eras';
import { setFields, writeJson } from './support/fixture';
import { refuses, set, type Refusal } from './support/refuses';

/** What is missing, damaged or hostile in a model folder is a ModelError that names the file. */

afterAll(removeFolders);

describe('a folder', () => {
  const code = 'ERR_MODEL_FOLDER';
  const without = (path: string) => (folder: string) => rmSync(join(folder, path), { recursive: true });
  refuses('bert-dense', [
    {
      title: 'with nothing in it',
      change: (folder) => {
        rmSync(folder, { recursive: true });
        mkdirSync(folder);
      },
      code,
      file: '',
      message: /is not a model folder: it has neither modules\.json nor config\.json/,
    },
    {
      title: 'without the pooling that modules.json names',
      change: without('1_Pooling'),
      code,
      file: join('1_Pooling', 'config.json'),
      message: /is missing, though modules\.json names its folder/,
    },
    {
      title: 'without the Dense that modules.json names',
      change: without('2_Dense'),
      code,
      file: join('2_Dense', 'config.json'),
      message: /is missing/,
    },
    {
      title: 'without the encoder that modules.json names',
      change: (folder) => {
        moveEncoder(folder, '0_Transformer');
        rmSync(join(folder, '0_Transformer'), { recursive: true });
      },
      code,
      file: join('0_Transformer', 'config.json'),
      message: /is missing/,
    },
  ]);
});

describe('a path of modules.json that leads out of the folder', () => {
  const pooled = (path: string) => (folder: string) =>
    changeModules(folder, (entry, i) => (i === 1 ? { ...entry, path } : entry));
  /** A folder beside the model's that would do as pooling. */
  const outside = (folder: string): string => {
    const target = join(folder, '..', 'outside');
    renameSync(join(folder, '1_Pooling'), target);
    return target;
  };
  const file = 'modules.json';
  const code = 'ERR_MODEL_FOLDER';
  refuses('bert-mean', [
    ...['../outside', '1_Pooling/../../outside', '..\\outside', '..', '1_Pooling/../..'].map((path) => ({
      title: path,
      change: (folder: string) => {
        outside(folder);
        pooled(path)(folder);
      },
      code: code as ModelErrorCode,
      file,
      message: /the path ".*" leads out of the model folder/,
    })),
    {
      title: 'an absolute path',
      change: (folder) => pooled(outside(folder))(folder),
      code,
      file,
      message: /the path "\/.*outside" leads out of the model folder/,
    },
    {
      title: 'a link',
      change: (folder) => symlinkSync(outside(folder), join(folder, '1_Pooling')),
      code,
      file,
      message: /the path "1_Pooling" leads out of the model folder/,
    },
    {
      title: 'a path through a link',
      change: (folder) => {
        outside(folder);
        symlinkSync(join(folder, '..'), join(folder, 'up'));
        pooled('up/outside')(folder);
      },
      code,
      file,
      message: /the path "up\/outside" leads out of the model folder/,
    },
  ]);
});

describe('JSON', () => {
  const CONFIGURATION = [
    'modules.json',
    'config.json',
    'config_sentence_transformers.json',
    'sentence_bert_config.json',
    join('1_Pooling', 'config.json'),
    join('2_Dense', 'config.json'),
  ];
  const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'];
  const files: [string, ModelErrorCode][] = [
    ...CONFIGURATION.map((file): [string, ModelErrorCode] => [file, 'ERR_MODEL_FOLDER']),
    ...TOKENIZER.map((file): [string, ModelErrorCode] => [file, 'ERR_TOKENIZER']),
  ];
  const DEEP = 100_000;
  /** Adds a field that no reader asks for, of `DEEP` lists in each other. */
  const nest = (path: string): void => {
    const text = readFileSync(path, 'utf8').trimEnd();
    const deep = '['.repeat(DEEP) + ']'.repeat(DEEP);
    writeFileSync(
      path,
      text.endsWith('}') ? `${text.slice(0, -1)}, "more": ${deep}}` : `${text.slice(0, -1)}, ${deep}]`,
    );
  };
  refuses(
    'bert-dense',
    files.flatMap(([file, code]): Refusal[] => [
      {
        title: `${file} cut off`,
        change: (folder) => truncateSync(join(folder, file), readFileSync(join(folder, file)).length - 3),
        code,
        file,
        message: /is not valid JSON \(.+\).*etch the model folder again/,
      },
      {
        title: `${file} empty`,
        change: (folder) => truncateSync(join(folder, file), 0),
        code,
        file,
        message: /is not valid JSON/,
      },
      { title: `${file} nested too deep`, change: (folder) => nest(join(folder, file)), code, file, message: /nested/ },
      {
        title: `${file} of another type`,
        change: (folder) => writeJson(file === 'modules.json' ? { a: 1 } : [1], folder, file),
        code,
        file,
        message: file === 'modules.json' ? /must hold a list of modules, found \{ a: 1 \}/ : /must hold a JSON object/,
      },
    ]),
  );
  refuses('bert-dense', [
    {
      title: 'modules.json without modules',
      change: (folder) => writeJson([], folder, 'modules.json'),
      code: 'ERR_MODEL_FOLDER',
      file: 'modules.json',
      message: /must hold a list of modules, found \[\]/,
    },
    {
      title: 'a folder in the place of a file',
      change: (folder) => {
        rmSync(join(folder, 'config.json'));
        mkdirSync(join(folder, 'config.json'));
      },
      code: 'ERR_MODEL_FOLDER',
      file: 'config.json',
      message: /Cannot read .*EISDIR/,
    },
  ]);
});

describe('a tokenizer', () => {
  const code = 'ERR_TOKENIZER';
  const without = (folder: string, ...names: string[]) => names.forEach((name) => rmSync(join(folder, name)));
  refuses('bert-mean', [
    {
      title: 'with more ids than the model has rows',
      change: set('config.json', { vocab_size: 68 }),
      code,
      file: '',
      message: /has ids up to 68, but \S+config\.json says "vocab_size" 68/,
    },
    {
      title: 'that is nowhere',
      change: (folder) => without(folder, 'tokenizer.json', 'vocab.txt'),
      code,
      file: '',
      message: /holds no tokenizer: expected tokenizer\.json, or vocab\.txt/,
    },
    ...['spiece.model', 'tokenizer.model', 'spm.model', 'sentencepiece.bpe.model'].map((name) => ({
      title: `of sentencepiece as ${name}`,
      change: (folder: string) => {
        without(folder, 'tokenizer.json', 'vocab.txt');
        writeFileSync(join(folder, name), 'x');
      },
      code: code as ModelErrorCode,
      file: '',
      message: new RegExp(`holds ${name}, which .*AutoTokenizer\\.from_pretrained\\('.*save_pretrained`, 's'),
    })),
    {
      title: 'whose vocabulary lacks a special token',
      change: (folder) => {
        without(folder, 'tokenizer.json');
        const vocabulary = readFileSync(join(folder, 'vocab.txt'), 'utf8');
        writeFileSync(join(folder, 'vocab.txt'), vocabulary.replace('[SEP]\n', '[NO]\n'));
      },
      code,
      file: 'vocab.txt',
      message: /lacks the special token "\[SEP\]"/,
    },
    {
      title: 'without a model',
      change: set('tokenizer.json', { model: undefined }),
      code,
      file: 'tokenizer.json',
      message: /has no "model"/,
    },
    {
      title: 'of a model that the tokenizers library does not know',
      change: set('tokenizer.json', { model: { type: 'Telepathy', vocab: {} } }),
      code,
      file: 'tokenizer.json',
      message: /is not a tokenizer that the tokenizers library can read/,
    },
    {
      title: 'that splits special tokens',
      change: set('tokenizer_config.json', { split_special_tokens: true }),
      code,
      file: 'tokenizer_config.json',
      message: /"split_special_tokens"/,
    },
  ]);
  refuses('roberta-mean', [
    {
      title: 'of bytes, without merges',
      change: (folder) => without(folder, 'tokenizer.json', 'merges.txt'),
      code,
      file: '',
      message: /expected tokenizer\.json, or vocab\.json and merges\.txt/,
    },
    {
      title: 'whose vocabulary has an id that is none',
      change: (folder) => {
        without(folder, 'tokenizer.json');
        setFields({ a: -1 }, folder, 'vocab.json');
      },
      code,
      file: 'vocab.json',
      message: /the id of "a" must be an integer from 0, found -1/,
    },
  ]);
});
