// sentence-transformers on the same rows, one epoch, in a process of its own; what it saves is measured by the same measures.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonPeer } from '../../test/bench/peers.mjs';
import { run, tail } from '../setup/run.mjs';
import { SetupError } from '../setup/step.mjs';
import { MAX_INPUT_LENGTH } from './measure.mjs';

/** Rates that the peer is trained at; the first is the one that its pages recommend. */
export const PEER_RATES = [2e-5, 5e-5, 1e-4];

/** 'vectune' installs what `npm run bench` compares with, anything else is an interpreter. */
export async function peerPython(given) {
  return given === 'vectune' ? pythonPeer() : given;
}

/** The rows as the trainer's columns. */
function columnsOf(form, rows) {
  const of = (name) => rows.map((row) => row[name]);
  if (form === 'positives') return { anchor: of('anchor'), positive: of('positive') };
  const scores = of('score').map(form === 'labels' ? Math.trunc : Number);
  return { text1: of('text1'), text2: of('text2'), [form === 'labels' ? 'label' : 'score']: scores };
}

/** Trains and gives `use` the saved model's folder, which is removed afterwards; gives what that gives, with the seconds. */
export async function trainPeer(python, { model, form, rows, seed, learningRate, bf16, threads }, use) {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-recipes-'));
  try {
    const file = join(folder, 'request.json');
    const out = join(folder, 'model');
    const columns = columnsOf(form, rows);
    const settings = { learningRate, batchSize: 16, seed, bf16, threads, maxInputLength: MAX_INPUT_LENGTH };
    writeFileSync(file, JSON.stringify({ model, form, columns, out, ...settings }));
    const { code, output } = await run(python, [fileURLToPath(new URL('peer.py', import.meta.url)), file], {
      env: { ...process.env, HF_HUB_OFFLINE: '1', PYTHONDONTWRITEBYTECODE: '1', TOKENIZERS_PARALLELISM: 'false' },
    });
    if (code !== 0) throw new SetupError(`The peer failed:\n${tail(output)}`);
    const { seconds, loss } = JSON.parse(output.trim().split('\n').at(-1));
    return { ...(await use(out)), seconds, loss };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
