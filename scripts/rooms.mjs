// npm run rooms: counts the circles of imports and the arrows that run from a lower room to a higher one, in lib and in
// native/engine; fails where there is one.
//   npm run rooms -- --write   writes what is drawn from the code: docs/rooms-*.svg and the rooms' README.md
//   npm run rooms -- --at COMMIT [--lib a,b,c] [--engine a,b,c]   of another commit, with its rooms from the ground up
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { circles, engineIncludes, libImports, roomImports, strangers, upward } from './rooms/imports.mjs';
import { drawn } from './rooms/draw.mjs';
import { ENGINE_ROOMS, LIB_ROOMS } from './rooms/rooms.mjs';
import { ROOT } from './setup/paths.mjs';
import { mustRun } from './setup/run.mjs';
import { runScript } from './setup/step.mjs';

function count(name, edges, order) {
  const of = {
    'circles of files': circles(edges),
    'circles of rooms': circles(roomImports(edges)),
    'arrows upward': upward(edges, order).map(({ from, to }) => [from, to]),
    'rooms without a place': strangers(edges, order).map((room) => [room]),
  };
  for (const [what, found] of Object.entries(of)) {
    console.log(`${name}: ${found.length} ${what}`);
    for (const files of found) console.log(`  ${files.join(what === 'arrows upward' ? ' -> ' : ', ')}`);
  }
  return Object.values(of).reduce((sum, found) => sum + found.length, 0);
}

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      at: { type: 'string' },
      lib: { type: 'string' },
      engine: { type: 'string' },
      write: { type: 'boolean' },
    },
  });
  if (values.write) for (const [path, content] of drawn(ROOT)) writeFileSync(join(ROOT, path), content);
  const order = (given, rooms) => given?.split(',') ?? rooms.map(([room]) => room);
  const temporary = mkdtempSync(join(tmpdir(), 'vectune-rooms-'));
  try {
    let root = ROOT;
    if (values.at !== undefined) {
      const archive = join(temporary, 'commit.tar');
      await mustRun('git', ['archive', '-o', archive, values.at, 'lib', 'native/engine']);
      await mustRun('tar', ['-xf', archive, '-C', temporary]);
      root = temporary;
    }
    const lib = count('lib', libImports(join(root, 'lib')), order(values.lib, LIB_ROOMS));
    const includes = engineIncludes(join(root, 'native', 'engine'));
    return lib + count('native/engine', includes, order(values.engine, ENGINE_ROOMS)) === 0 ? 0 : 1;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
});
