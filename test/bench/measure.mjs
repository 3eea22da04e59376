// Runs pieces of work in processes of their own and takes medians.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PROGRAMS = {
  vectune: (file) => [process.execPath, [join(HERE, 'vectune_work.mjs'), file]],
  transformersJs: (file) => [process.execPath, [join(HERE, 'peer_transformers_js.mjs'), file]],
  sentenceTransformers: (file, python) => [python, [join(HERE, 'peer_sentence_transformers.py'), file]],
};

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Runs one piece; gives what it printed last, and the seconds from its start to that. */
export async function runWork(who, request, { python, environment = {} } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-bench-'));
  try {
    const file = join(folder, 'request.json');
    writeFileSync(file, JSON.stringify(request));
    const [program, args] = PROGRAMS[who](file, python);
    const env = {
      ...process.env,
      OMP_NUM_THREADS: String(request.threads),
      HF_HUB_OFFLINE: '1',
      TOKENIZERS_PARALLELISM: 'true',
      ...environment,
    };
    const begin = performance.now();
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    let seconds = 0;
    child.stdout.on('data', (chunk) => {
      output += chunk;
      seconds = (performance.now() - begin) / 1000;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    if (code !== 0) throw new Error(`${who} failed on ${request.kind}:\n${errors.slice(-2000)}`);
    return { ...JSON.parse(output.trimEnd().split('\n').at(-1)), processSeconds: seconds };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Runs several pieces in turn, `runs` times each, so that what the machine does meanwhile meets all alike. Gives each
 * one's results.
 */
export async function inTurn(pieces, runs) {
  const results = pieces.map(() => []);
  for (let round = 0; round < runs; ++round) {
    for (let i = 0; i < pieces.length; ++i) results[i].push(await pieces[i]());
  }
  return results;
}

/** Median of a figure over results, with the lowest and highest. */
export function spread(results, figure) {
  const values = results.map(figure);
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) };
}

/** Keeps one core busy until the function that it gives is called, or this process is gone. */
export function busyNeighbour() {
  const child = spawn(process.execPath, ['-e', 'const parent = process.ppid; while (process.ppid === parent);'], {
    stdio: 'ignore',
  });
  return () => child.kill('SIGKILL');
}
