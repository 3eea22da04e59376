import { inTurn, runWork, spread } from '../measure.mjs';
import { flop } from './flop.mjs';
import { row } from './row.mjs';

export async function lengths(c) {
  const rows = [];
  for (const tokens of [8, 32, 64, 128, 256, 512]) {
    // One-token words: a text of so many tokens with the special ones. About 16,000 tokens in all, 1,024 a step.
    const text = Array.from({ length: tokens - 2 }, (_, i) => ['good', 'water', 'house', 'time', 'hand'][i % 5]).join(
      ' ',
    );
    const count = Math.max(16, 2 * Math.round(8192 / tokens));
    const batchSize = Math.max(1, Math.round(512 / tokens));
    for (const precision of c.precisions) {
      const base = { model: c.model, precision, threads: c.threads, maxInputLength: tokens };
      const pairs = Array.from({ length: count / 2 }, () => [text, text]);
      const [train, embed] = await inTurn(
        [
          () => runWork('vectune', { ...base, kind: 'finetune', batchSize, pairs, scores: pairs.map((_, i) => i % 2) }),
          () => runWork('vectune', { ...base, kind: 'embed', texts: Array(count).fill(text), batchSize }),
        ],
        Math.min(3, c.runs),
      );
      const lengths = Array(count).fill(tokens);
      const share = (results, training) =>
        flop('minilm', lengths, training) / spread(results, (r) => r.seconds).median / (c.peak[precision] * 1e9);
      const [a, b] = [share(train, true), share(embed, false)];
      c.figures.push({ work: 'lengths', tokens, precision, training: a, embedding: b });
      rows.push(
        row(
          `texts of ${tokens} tokens, ${precision}`,
          {
            ours: `training ${(100 * a).toFixed(0)} %, embedding ${(100 * b).toFixed(0)} % of the bound`,
            share: Math.min(a, b),
          },
          [['≥ 65 % of the bound', Math.min(a, b) >= 0.65]],
        ),
      );
    }
  }
  return rows;
}
