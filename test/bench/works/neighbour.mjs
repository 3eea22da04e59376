import { busyNeighbour, inTurn, runWork, spread } from '../measure.mjs';
import { row } from './row.mjs';

export async function neighbour(c) {
  const rows = [];
  const most = { fp32: 0.03, bf16: 0.08 };
  for (const precision of c.precisions) {
    const loss = most[precision];
    const request = {
      kind: 'finetune',
      model: c.model,
      precision,
      batchSize: 16,
      threads: c.threads,
      maxInputLength: 64,
      ...c.training,
    };
    const beside = async (work) => {
      const stop = busyNeighbour();
      try {
        return await work();
      } finally {
        stop();
      }
    };
    const ours = (environment) => () => runWork('vectune', request, { environment });
    const st = () => runWork('sentenceTransformers', request, { python: c.python });
    const pieces = [ours(), () => beside(ours()), ours({ OMP_WAIT_POLICY: 'active' })];
    if (precision === 'fp32') pieces.push(st, () => beside(st));
    const results = await inTurn(pieces, Math.min(3, c.runs));
    const [idle, busy, spinning, peerIdle, peerBusy] = results.map(
      (list) => spread(list, ({ seconds }) => 1 / seconds).median,
    );
    const kept = busy / idle;
    const cost = 1 - idle / spinning;
    c.figures.push({
      work: 'neighbour',
      precision,
      kept,
      cost,
      peerKept: peerBusy === undefined ? null : peerBusy / peerIdle,
    });
    rows.push(
      row(
        `a neighbour keeps a core busy, ${precision}`,
        {
          ours: `${(100 * kept).toFixed(0)} % of idle; waiting asleep costs ${(100 * cost).toFixed(1)} % when idle`,
          peer: peerBusy === undefined ? '' : `${((100 * peerBusy) / peerIdle).toFixed(0)} % sentence-transformers`,
        },
        [
          ['≥ 55 % of idle', kept >= 0.55],
          [`≤ ${100 * loss} % loss when idle`, cost <= loss],
        ],
      ),
    );
  }
  return rows;
}
