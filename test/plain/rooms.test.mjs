// The floor plan holds: no circle of imports, no arrow from a lower room to a higher one, no Node in the engine.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  circles,
  engineIncludes,
  libImports,
  roomImports,
  strangers,
  systemHeaders,
  upward,
} from '../../scripts/rooms/imports.mjs';
import { ENGINE_ROOMS, LIB_ROOMS, NODE_HEADERS } from '../../scripts/rooms/rooms.mjs';
import { inFolder, ROOT } from './support.mjs';

const ENGINE = join(ROOT, 'native', 'engine');
const names = (rooms) => rooms.map(([name]) => name);
const shown = (edges) => edges.map(({ from, to }) => `${from} -> ${to}`);

for (const [name, edges, order] of [
  ['lib', libImports(join(ROOT, 'lib')), names(LIB_ROOMS)],
  ['native/engine', engineIncludes(ENGINE), names(ENGINE_ROOMS)],
]) {
  test(`${name}: no circle of files, every import goes down, every room has its floor`, () => {
    assert.ok(edges.length > 50);
    assert.deepEqual(circles(edges), []);
    assert.deepEqual(shown(upward(edges, order)), []);
    assert.deepEqual(strangers(edges, order), []);
  });
}

test('no header of Node in native/engine', () => {
  const headers = systemHeaders(ENGINE);
  assert.ok(headers.some(([, header]) => header === 'vector'));
  assert.deepEqual(
    headers.filter(([, header]) => NODE_HEADERS.test(header.split('/').at(-1))),
    [],
  );
});

test('what the two tests above look for is found where it is', () =>
  inFolder((folder) => {
    const write = (path, text) => {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    write('low/a.ts', "import type { B } from '../high/b';\nexport const load = () => import('./c');\n");
    write('low/c.ts', "export {\n  d,\n} from './d';\n");
    write('low/d.ts', "import './c';\n");
    write('high/b.ts', "export type A = import('../low/a').A;\n");
    write('attic/e.ts', "import { c } from '../low/c';\n");
    const edges = libImports(folder);
    assert.deepEqual(circles(edges).sort(), [
      ['high/b.ts', 'low/a.ts'],
      ['low/c.ts', 'low/d.ts'],
    ]);
    assert.deepEqual(circles(roomImports(edges)), [['high', 'low']]);
    assert.deepEqual(shown(upward(edges, ['low', 'high', 'attic'])), ['low/a.ts -> high/b.ts']);
    assert.deepEqual(strangers(edges, ['low', 'high']), ['attic']);

    write('low/a.h', '#include <vector>\n  # include "high/b.h"\n#include "beside.h"\n');
    write('low/beside.h', '#include <node_api.h>\n');
    write('high/b.h', '');
    assert.deepEqual(shown(engineIncludes(folder)), ['low/a.h -> high/b.h', 'low/a.h -> low/beside.h']);
    const found = systemHeaders(folder).filter(([, header]) => NODE_HEADERS.test(header));
    assert.deepEqual(found, [['low/beside.h', 'node_api.h']]);
  }));
