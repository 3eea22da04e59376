// Two built trees of vectune in turn on this machine: each runs its own test/bench/engine_works.cjs.
import { join } from 'node:path';
import { mustRun } from '../../scripts/setup/run.mjs';
import { spread } from './measure.mjs';

/** Rows { what, other, ours, ratio } of medians over the runs; ratios above 1: this tree is slower, or takes more memory. */
export async function against(other, root, runs) {
  const found = { other: new Map(), ours: new Map() };
  for (let run = 0; run < runs; ++run) {
    for (const [side, tree] of [
      ['other', other],
      ['ours', root],
    ]) {
      const output = await mustRun(process.execPath, [join(tree, 'test', 'bench', 'engine_works.cjs')]);
      for (const line of output.trim().split('\n')) {
        const { name, ms, mb } = JSON.parse(line);
        const values = found[side].get(name) ?? [];
        values.push(ms ?? mb);
        found[side].set(name, values);
      }
    }
  }
  const names = [...found.ours.keys()].filter((name) => found.other.has(name));
  return names.map((name) => {
    const [theirs, mine] = [found.other, found.ours].map((side) => spread(side.get(name), (value) => value));
    const told = ({ median, low, high }) => `${median.toFixed(1)} (${low.toFixed(1)}–${high.toFixed(1)})`;
    return { what: name, other: told(theirs), ours: told(mine), ratio: (mine.median / theirs.median).toFixed(3) };
  });
}
