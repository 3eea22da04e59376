// Other encoders beside sentence-transformers, with random weights: training and embedding of Quora's texts and of texts of
// 512 tokens. The larger the shape, the fewer texts; of so few training is timed by its steps after the first, on both sides:
// a first step takes its memory from the operating system, which over a whole run is nothing.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inTurn, runWork, spread } from '../measure.mjs';
import { row } from './row.mjs';

const SHAPES = { 'mpnet-base': 4, 'modernbert-base': 4, 'multilingual-e5-base': 4, 'qwen3-0.6b': 2 };
const GOALS = { training: { fp32: 3, bf16: 4 }, embedding: { fp32: 1.7, bf16: 1.7 } };
/** So many texts of Quora are longer than 512 tokens together. */
const LONG = 60;

/** The folder of a shape, made once. */
function folderOf(shape, { python, model, folder }) {
  const to = join(folder, 'shapes', shape);
  if (existsSync(to)) return to;
  mkdirSync(join(folder, 'shapes'), { recursive: true });
  const program = fileURLToPath(new URL('../random_shapes.py', import.meta.url));
  execFileSync(python, [program, shape, model, `${to}.part`], { stdio: ['ignore', 'ignore', 'inherit'] });
  renameSync(`${to}.part`, to);
  return to;
}

/** What is measured of a shape: its name, and what both do of it. */
function worksOf(shape, c) {
  const many = SHAPES[shape];
  const texts = c.embedding.texts;
  const long = Array.from({ length: 6 * many }, (_, i) => texts.slice(i * LONG, (i + 1) * LONG).join(' '));
  const pairs = c.training.pairs.slice(0, 24 * many);
  const longPairs = long.flatMap((text, i) => (i % 2 === 0 ? [[text, long[i + 1]]] : []));
  const common = { model: folderOf(shape, c), threads: c.threads };
  const training = (some, batchSize, maxInputLength) => ({
    ...common,
    kind: 'finetune',
    pairs: some,
    scores: some.map((_, i) => i % 2),
    batchSize,
    maxInputLength,
  });
  return [
    ['training', 'Quora', training(pairs, 16, 64)],
    ['training', '512 tokens', training(longPairs, many, 512)],
    ['embedding', 'Quora', { ...common, kind: 'embed', texts: texts.slice(0, 128 * many), batchSize: 32 }],
    [
      'embedding',
      '512 tokens',
      { ...common, kind: 'embed', texts: long.slice(0, 4 * many), batchSize: 8, maxInputLength: 512 },
    ],
  ];
}

export async function encoders(c) {
  const rows = [];
  for (const shape of Object.keys(SHAPES).filter((name) => c.shapes === undefined || c.shapes.includes(name))) {
    for (const precision of c.precisions) {
      for (const [what, of, request] of worksOf(shape, c)) {
        if (c.what !== undefined && !c.what.includes(what)) continue;
        const asked = { ...request, precision };
        const [ours, theirs] = await inTurn(
          [() => runWork('vectune', asked), () => runWork('sentenceTransformers', asked, { python: c.python })],
          c.runs,
        );
        const count = request.pairs?.length ?? request.texts.length;
        const [mine, its] = [ours, theirs].map((all) =>
          spread(all, ({ seconds, laterStepsSeconds }) =>
            laterStepsSeconds === undefined ? count / seconds : (count - request.batchSize) / laterStepsSeconds,
          ),
        );
        const [peak, itsPeak] = [ours, theirs].map((all) => spread(all, ({ peakBytes }) => peakBytes).median);
        const ratio = mine.median / its.median;
        const goal = GOALS[what][precision];
        c.figures.push({ work: 'encoders', shape, what, of, precision, ours: mine, peer: its, peak, itsPeak });
        const unit = what === 'training' ? 'pairs/s' : 'texts/s';
        rows.push(
          row(
            `${shape}, ${what}, ${of}, ${precision}`,
            {
              ours: `${mine.median.toFixed(2)} ${unit}`,
              peer: `${its.median.toFixed(2)} ${unit} sentence-transformers`,
              ratio,
              peak: `${(peak / 1e9).toFixed(1)} and ${(itsPeak / 1e9).toFixed(1)} GB`,
            },
            [
              [`≥ ${goal} ×`, ratio >= goal],
              ...(what === 'training' ? [['half of the memory', peak <= itsPeak / 2]] : []),
            ],
          ),
        );
      }
    }
  }
  return rows;
}
