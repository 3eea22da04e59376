import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What a server must stand, in small numbers; `npm run soak:server` has the large ones. */

test('overload, bad clients, hostile and large bodies, swaps: every accepted request is answered, and it ends well', async () => {
  const numbers = [
    '--seconds',
    '3',
    '--clients',
    '60',
    '--bodies',
    '600',
    '--large',
    '22',
    '--swaps',
    '4',
    '--queue',
    '20',
  ];
  const { stdout } = await promisify(execFile)(process.execPath, [join(__dirname, 'programs/soak.mjs'), ...numbers]);
  const parts = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { part: string; faults?: string[]; answered?: number; refused?: number });
  const names = ['overload', 'hostile bodies', 'swaps', 'end', 'large bodies', 'end', 'bad clients', 'end'];
  expect(parts.map(({ part }) => part)).toEqual(names);
  for (const { faults } of parts) expect(faults).toBeUndefined();
  expect(parts[0]!.answered).toBeGreaterThan(0);
  expect(parts[0]!.refused).toBeGreaterThan(0);
}, 240_000);
