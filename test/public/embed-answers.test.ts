import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { vectune } from '../unit/cli/run';
import { fixture, useModels } from './models';

/** `vectune embed`, with a model. */

const models = useModels();
const embed = (...args: string[]) => ['embed', '--model', fixture('bert-mean'), ...args];
const lines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { text: string; vector: number[] });

test('texts are arguments, lines of the standard input or lines of a file, and their vectors are the same', async () => {
  const [byArgument, byInput, byFile, byFlag] = await Promise.all([
    vectune(embed('How are you?', 'hello')),
    vectune(embed(), 'How are you?\nhello\n'),
    vectune(embed(models.write('texts.txt', 'How are you?\nhello'))),
    vectune(embed('--texts', 'How are you?', 'hello')),
  ]);
  for (const { code, stdout, stderr } of [byArgument, byInput, byFile, byFlag]) {
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(byArgument.stdout);
  }
  expect(lines(byArgument.stdout).map(({ text }) => text)).toEqual(['How are you?', 'hello']);
});

test('a line of a pipe is answered before the next one comes', async () => {
  const { stdout } = await vectune(embed(), 'one\n', (text, type, end) => {
    // The second is typed only when the first was answered: without that, this would wait until it is killed.
    if (text.endsWith('\n') && text.split('\n').length === 2) type('two\n');
    if (text.endsWith('\n') && text.split('\n').length === 3) end();
  });
  expect(lines(stdout).map(({ text }) => text)).toEqual(['one', 'two']);
});

test('--max-input-length and --precision reach the model', async () => {
  const long = 'a text of some words more';
  const [whole, cut, same, int8] = await Promise.all([
    vectune(embed(long)),
    vectune(embed('--max-input-length', '4', long)),
    vectune(embed('--max-input-length', '4', 'a text of')),
    vectune(embed('--precision', 'bf16', long)),
  ]);
  const [vector, short, first, rounded] = [whole, cut, same, int8].map(({ stdout }) => lines(stdout)[0]!.vector);
  expect(short).not.toEqual(vector);
  expect(short).toEqual(first);
  expect(rounded).not.toEqual(vector);
});

test('--out appears whole, or not at all', async () => {
  const file = models.path('vectors.jsonl');
  const ran = await vectune(embed('--out', file, 'one', 'two'));
  expect(ran).toMatchObject({ code: 0, stdout: '', stderr: `2 texts: ${file}\n` });
  expect(lines(readFileSync(file, 'utf8')).map(({ text }) => text)).toEqual(['one', 'two']);

  const other = models.path('broken.jsonl');
  const broken = await vectune(embed('--jsonl', '--out', other), '"one"\n{\n');
  expect(broken.code).toBe(1);
  expect(existsSync(other)).toBe(false);
  expect(readdirSync(models.path('.')).filter((name) => name.includes('partial'))).toEqual([]);

  const folder = models.path('a-folder');
  mkdirSync(folder);
  expect(await vectune(embed('--out', folder, 'one'))).toMatchObject({
    code: 1,
    stderr: `vectune: ${folder} cannot be written: it is a folder. [ERR_FILE]\n`,
  });
});

test('what has the form of a file is not taken for a text', async () => {
  const { code, stdout, stderr } = await vectune(embed('texts.txt'));
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('texts.txt cannot be read');
});

const python = spawnSync('python3', ['-c', 'import pty']).status === 0;
if (!python) console.warn('python3 is not here to stand in for a terminal: what embed says on one is not tested');
(python ? test : test.skip)('on a terminal it says what it waits for', () => {
  const terminal = `
import os, pty, sys
process, terminal = pty.fork()
if process == 0: os.execvp(sys.argv[1], sys.argv[1:])
told = b''
while b'\\n' not in told: told += os.read(terminal, 4096)
os.write(terminal, b'hello\\n')
while told.count(b'\\n') < 3: told += os.read(terminal, 65536)
os.write(terminal, b'\\x04')
print(told.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
`;
  const main = join(__dirname, '../../dist/cli/main.js');
  const { NODE_OPTIONS: _, ...env } = process.env;
  const ran = spawnSync('python3', ['-c', terminal, process.execPath, main, ...embed('--no-text')], {
    env,
    encoding: 'utf8',
    timeout: 50_000,
  });
  expect(ran.stdout).toContain('A text in each line; Ctrl-D ends. Other ways: npx vectune embed --help');
  expect(ran.stdout).toMatch(/hello\r\n\[-?0\.\d+,/);
  expect(ran.status).toBe(0);
});

test('a signal ends it while it waits for a text: exit code 130, and nothing half written stays', async () => {
  const file = models.path('stopped.jsonl');
  const child = spawn(process.execPath, [join(__dirname, '../../dist/cli/main.js'), ...embed('--out', file)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const closed = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  child.stdin.write('one\n');
  const partial = () => readdirSync(models.path('.')).some((name) => name.includes('stopped'));
  while (!partial()) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 500));
  child.kill('SIGINT');
  expect(await closed).toEqual({ code: 130, signal: null });
  expect(stderr).toBe('');
  expect(partial()).toBe(false);
});
