import { inTurn, runWork, spread } from '../measure.mjs';
import { flop } from './flop.mjs';
import { megabytes, rate, row } from './row.mjs';

/** Fine-tuning beside sentence-transformers: a row, and the facts that its goals are about. */
export async function trainingRow(
  c,
  { shape, model, batchSize, precision, runs, goals, environment, peak, peer = true },
) {
  const request = {
    kind: 'finetune',
    model,
    precision,
    batchSize,
    threads: c.threads,
    maxInputLength: 64,
    ...c.training,
  };
  const [ours, theirs] = await inTurn(
    [
      () => runWork('vectune', request, { environment }),
      ...(peer ? [() => runWork('sentenceTransformers', request, { python: c.python, environment })] : []),
    ],
    runs ?? c.runs,
  );
  const tokens = ours[0].tokens;
  const mine = spread(ours, ({ seconds }) => tokens / seconds);
  const its = theirs && spread(theirs, ({ seconds }) => tokens / seconds);
  const resident = spread(ours, ({ peakBytes }) => peakBytes).median;
  const facts = {
    ratio: its ? mine.median / its.median : null,
    tokensPerSecond: mine.median,
    resident,
    share: (flop(shape, c.lengths, true) * mine.median) / tokens / ((peak ?? c.peak)[precision] * 1e9),
  };
  c.figures.push({
    work: 'finetune',
    shape,
    batchSize,
    precision,
    environment,
    ours: mine,
    peer: its,
    resident,
    peerResident: theirs && spread(theirs, ({ peakBytes }) => peakBytes).median,
    share: facts.share,
    tokens,
  });
  return [
    row(
      `fine-tune ${shape}, batch ${batchSize}, ${precision}${environment ? ', AVX2' : ''}`,
      {
        ours: `${rate(mine.median, 'tokens/s')} (${rate(mine.low, '').trim()}–${rate(mine.high, '').trim()})`,
        peer: its ? `${rate(its.median, 'tokens/s')} sentence-transformers` : '',
        ratio: facts.ratio,
        share: facts.share,
        peak: megabytes(resident),
      },
      goals(facts),
    ),
    facts,
  ];
}
