// The notebook's job on a tiny model, and what it comes to: losses of steps, validation, weights. Run by the test, and, on
// version 0.1.0 before it had recipes, for the numbers that it is compared with:
//   node test/parity/notebook_numbers.cjs DIST FOLDER > test/parity/notebook-numbers.json
const { createHash } = require('node:crypto');
const { existsSync, mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { cpus, tmpdir } = require('node:os');
const { join } = require('node:path');

/** No text twice: of those that are there twice a batch had two dropout masks then, and has one now. */
const WORDS = [
  'river',
  'boats',
  'harbour',
  'moored',
  'runs',
  'quiet',
  'bread',
  'miller',
  'sells',
  'rain',
  'kite',
  'sun',
];

function rows() {
  const pairs = [];
  const scores = [];
  for (let i = 0; i < 48; ++i) {
    const text = (k) => {
      const n = 2 * i + k;
      const count = 3 + (n % 4);
      return Array.from(
        { length: count },
        (_, at) => WORDS[(n * (at + 1) + Math.floor(n / WORDS.length) + at * at) % WORDS.length],
      )
        .concat(`${WORDS[n % 12]} ${WORDS[Math.floor(n / 12)]}`)
        .join(' ');
    };
    pairs.push([text(0), text(1)]);
    scores.push(((i * 7) % 5) / 4);
  }
  return { pairs, scores };
}

/** What bits depend on beside the code. */
function arithmetic(info) {
  const { libtorch, simd, gemm, threads } = info;
  return { libtorch, simd, gemm, threads, processor: cpus()[0]?.model ?? '' };
}

/** @param options beside those of the job; the versions before recipes had no option for one */
async function numbers({ TextVectorisation }, info, folder, options) {
  const { pairs, scores } = rows();
  if (new Set(pairs.flat()).size !== 2 * pairs.length) throw new Error('a text is there twice');
  const out = mkdtempSync(join(tmpdir(), 'vectune-notebook-'));
  const model = new TextVectorisation(folder);
  const steps = [];
  try {
    const report = await model.finetune(pairs, scores, {
      seed: 7,
      precision: 'fp32',
      learningRate: 1e-3,
      epochs: 4,
      maxInputLength: 20,
      ...options,
      onProgress: (event) => {
        if ((event.type ?? event.kind) === 'step') steps.push(event.loss);
      },
    });
    await model.save(join(out, 'model'));
    const weights = createHash('sha256')
      .update(readFileSync(join(out, 'model', 'model.safetensors')))
      .digest('hex');
    return {
      arithmetic: arithmetic(info),
      steps,
      validation: report.epochs.map(({ validation }) => validation.loss),
      before: report.before.loss,
      bestEpoch: report.bestEpoch,
      batch: [report.batchSize, report.effectiveBatchSize],
      weights,
    };
  } finally {
    await model.dispose();
    rmSync(out, { recursive: true, force: true });
  }
}

module.exports = { numbers };

if (require.main === module) {
  const [dist, folder] = process.argv.slice(2);
  const { loadEngine } = require(join(dist, existsSync(join(dist, 'engine')) ? 'engine' : 'native', 'load.js'));
  loadEngine()
    .then((addon) => numbers(require(join(dist, 'index.js')), addon.info(), folder, {}))
    .then((found) => console.log(JSON.stringify(found, null, 1)));
}
