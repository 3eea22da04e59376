import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { streamRows } from '../../lib/data/read';
import { cacheRoot } from '../../lib/system/cache-root';
import { mineHardNegatives, type MinedRow } from '../../lib/mine/hard-negatives';
import type { MineOptions } from '../../lib/mine/options';
import { models as presets } from '../../lib/model/presets';
import { TextVectorisation } from '../../lib/text-vectorisation';

interface Case {
  name: string;
  options: Record<string, unknown>;
  corpus: boolean;
  /** Of each row the number of its anchor, then of its texts in the corpus; of labelled pairs the label last. */
  rows: (number | number[])[][];
}
const fixture = JSON.parse(readFileSync(join(__dirname, 'fixtures', 'quora.json'), 'utf8')) as {
  pairs: number;
  cases: Case[];
};

const quora = join(__dirname, '../../../shared/data/quora/quora_head_9998.tsv');
const model = join(cacheRoot(), 'models', 'sentence-transformers--all-MiniLM-L6-v2');
const there = existsSync(quora) && existsSync(model);
if (!there)
  console.warn(
    `the test of negatives of 2,000 Quora questions is skipped: ${existsSync(quora) ? model : quora} is not there`,
  );

const camel = (name: string) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

(there ? test : test.skip)(
  "negatives of 2,000 Quora questions are sentence-transformers'",
  async () => {
    const pairs: { anchor: string; positive: string }[] = [];
    const others: string[] = [];
    for await (const { text1, text2, score } of streamRows(quora)) {
      if (score === 1 && pairs.length < fixture.pairs) pairs.push({ anchor: text1, positive: text2 });
      if (score === 0 && others.length < 3000) others.push(text1);
    }
    const tv = new TextVectorisation(presets.AllMiniLML6V2, { offline: true });
    const known = new Map<string, Float32Array>();
    // Each text once for all cases.
    const once = {
      async embed(texts: readonly string[]) {
        const fresh = texts.filter((text) => !known.has(text));
        (await tv.embed(fresh)).forEach((vector, i) => known.set(fresh[i]!, vector));
        return texts.map((text) => known.get(text)!);
      },
    };
    for (const { name, options, corpus, rows } of fixture.cases) {
      const numbers = new Map<string, number>();
      for (const text of [...(corpus ? others : []), ...pairs.map(({ positive }) => positive)])
        if (!numbers.has(text)) numbers.set(text, numbers.size);
      const anchors = new Map<string, number>();
      for (const { anchor } of pairs) if (!anchors.has(anchor)) anchors.set(anchor, anchors.size);
      const given = Object.fromEntries(Object.entries(options).map(([key, value]) => [camel(key), value]));
      const found = await mineHardNegatives(once, pairs, {
        ...given,
        ...(corpus && { corpus: others }),
      } as MineOptions);
      const numbered = (row: MinedRow) => {
        const { anchor, query, labels: _, label, ...texts } = row;
        const of = (value: unknown) =>
          Array.isArray(value) ? value.map((text: string) => numbers.get(text)!) : numbers.get(value as string)!;
        return [
          anchors.get((anchor ?? query) as string)!,
          ...Object.values(texts).map(of),
          ...(label === undefined ? [] : [label as number]),
        ];
      };
      const mined = found.rows.map(numbered);
      const different = rows.filter((row, i) => JSON.stringify(row) !== JSON.stringify(mined[i]));
      expect({ name, rows: mined.length, different }).toEqual({ name, rows: rows.length, different: [] });
    }
    await tv.dispose();
  },
  300_000,
);
