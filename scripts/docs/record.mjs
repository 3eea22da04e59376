// Records a run for the README: what `npm start` shows of training and of what became better, in a terminal of 100
// columns, as docs/run.svg.
//   node scripts/docs/record.mjs
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../setup/paths.mjs';
import { run, tail } from '../setup/run.mjs';
import { runScript, SetupError } from '../setup/step.mjs';
import { setUp } from '../setup.mjs';
import { screenOf, terminalSvg } from './terminal.mjs';

const COLUMNS = 100;

/** What is printed before the model is saved. */
function untilSaved(lines) {
  const to = lines.findIndex((runs) => runs.some(({ text }) => text.startsWith('Saved to ')));
  if (to < 0) throw new SetupError('The quickstart does not say where it saved the model, where the picture ends.');
  return lines.slice(0, to);
}

await runScript(async () => {
  await setUp();
  const folder = mkdtempSync(join(tmpdir(), 'vectune-record-'));
  try {
    const typed = join(folder, 'typescript');
    const program = `stty cols ${COLUMNS} rows 60; exec node ${join(ROOT, 'scripts', 'quickstart', 'main.mjs')}`;
    // util-linux's `script` gives the program a terminal.
    const { code, output } = await run('script', ['--quiet', '--return', '--command', program, typed]);
    if (code !== 0) throw new SetupError(`The run failed:\n${tail(output)}`);
    const text = readFileSync(typed, 'utf8')
      .replace(/^Script started.*\n/, '')
      .replace(/\n?Script done.*\n$/, '');
    const lines = untilSaved(screenOf(`$ npm start\n${text}`, COLUMNS));
    writeFileSync(join(ROOT, 'docs', 'run.svg'), terminalSvg(lines, COLUMNS, 'A run of npm start'));
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
