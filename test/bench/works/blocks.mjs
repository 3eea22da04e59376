import { inTurn, runWork, spread } from '../measure.mjs';
import { row } from './row.mjs';

/** Goal: 20 ms, tokenisation included; what loading takes (the tokeniser is built on the caller's thread) is told too. */
export async function blocks(c) {
  const texts = Array.from({ length: 10_000 }, (_, i) => c.pairs[(i >> 1) % c.pairs.length][i & 1]);
  const pairs = Array.from({ length: texts.length / 2 }, (_, i) => [texts[2 * i], texts[2 * i + 1]]);
  const [results] = await inTurn(
    [
      () =>
        runWork('vectune', {
          kind: 'blocks',
          model: c.model,
          precision: c.precisions.at(-1),
          batchSize: 32,
          threads: c.threads,
          maxInputLength: 64,
          texts,
          pairs,
          scores: pairs.map((_, i) => i % 2),
        }),
    ],
    Math.min(3, c.runs),
  );
  return ['load', 'embed', 'finetune'].map((phase) => {
    const longest = spread(results, (r) => r[phase].longestMs);
    const usual = spread(results, (r) => r[phase].p999Ms).median;
    c.figures.push({ work: 'blocks', phase, texts: texts.length, longest, usual });
    return row(
      `longest block of the event loop, ${phase === 'load' ? 'load' : `${phase} of ${texts.length} texts`}`,
      {
        ours: `${longest.median.toFixed(1)} ms (${longest.low.toFixed(1)}–${longest.high.toFixed(1)}), 99.9 %: ${usual.toFixed(1)} ms`,
      },
      phase === 'load' ? [] : [['≤ 20 ms', longest.median <= 20]],
    );
  });
}
