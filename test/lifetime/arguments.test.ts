import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readContract } from './contract';
import { runProgram } from './run-program';

/**
 * Every function that the addon exports refuses what it is not made for: with an error that has a code of the contract,
 * thrown by functions and rejected by those that give promises; never a crash. Which functions there are, and what they
 * take, is read from the contract and from the addon itself.
 */

interface Call {
  name: string;
  given: string;
  outcome: 'threw' | 'rejected' | 'returned' | 'resolved' | 'none';
  isError?: boolean;
  code?: string;
  message?: string;
}

const contract = readContract();
const declared = new Map(contract.functions.map((method) => [method.name, method]));
let calls: Call[];
let end: Record<'before' | 'after' | 'end', object> & { inUse: number };

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-arguments-'));
  try {
    const { stdout, ...ended } = await runProgram(
      'arguments.cjs',
      [JSON.stringify({ ...contract, folder })],
      ['--expose-gc'],
    );
    expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    end = lines.pop() as typeof end;
    calls = lines as Call[];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The calls that were not refused as the contract says. */
function notRefused(list: readonly Call[]): Call[] {
  return list.filter(({ name, outcome, isError, code, message }) => {
    const expected = declared.get(name)?.async ? 'rejected' : 'threw';
    return outcome !== expected || isError !== true || !contract.codes.includes(code!) || !message;
  });
}
const withParameters = () => contract.functions.filter(({ parameters }) => parameters.length > 0);

test('the addon exports what the contract declares, and nothing else', () => {
  expect(contract.functions.length).toBeGreaterThan(20);
  expect(contract.codes).toContain('ERR_INVALID_ARGUMENT');
  expect([...new Set(calls.map(({ name }) => name))].sort()).toEqual([...declared.keys()].sort());
});

test('arguments that are right are taken', () => {
  const list = calls.filter(({ given }) => given === 'valid arguments');
  expect(list.map(({ name, outcome }) => [name, outcome])).toEqual(
    calls
      .filter(({ given }) => given === 'no arguments')
      .map(({ name }) => [name, declared.get(name)!.async ? 'resolved' : 'returned']),
  );
});

test('without arguments: refused by all that take any', () => {
  const list = calls.filter(({ given }) => given === 'no arguments');
  expect(list).toHaveLength(contract.functions.length);
  expect(notRefused(list).map(({ name, outcome }) => [name, outcome])).toEqual(
    contract.functions
      .filter(({ parameters }) => parameters.length === 0)
      .map(({ name, async }) => [name, async ? 'resolved' : 'returned']),
  );
});

test('a value of another type, a handle of another kind, in each place: refused', () => {
  const list = calls.filter(({ given }) => given.includes(': ') && !given.endsWith(': disposed'));
  expect(notRefused(list)).toEqual([]);
  // What is not of the right type is told as such.
  expect(list.filter(({ code }) => code !== 'ERR_INVALID_ARGUMENT')).toEqual([]);
  const places = withParameters().flatMap(({ name, parameters }) =>
    parameters.map((parameter) => `${name} ${parameter.name}`),
  );
  const tried = new Set(list.map(({ name, given }) => `${name} ${/^\w+/.exec(given)![0]}`));
  expect([...tried].sort()).toEqual(places.sort());
  for (const { name, parameters } of withParameters()) {
    const handles = parameters.filter(({ type }) => type.endsWith('Handle'));
    const others = list.filter((call) => call.name === name && call.given.includes(': handle of a '));
    expect(others).toHaveLength(4 * handles.length + 5 * (parameters.length - handles.length));
  }
});

test('a disposed handle: refused by all but dispose, which may be called twice', () => {
  const list = calls.filter(({ given }) => given.endsWith(': disposed'));
  const handles = withParameters().flatMap(({ name, parameters }) =>
    parameters.flatMap(({ type }) => (type.endsWith('Handle') ? [name] : [])),
  );
  expect(list.map(({ name }) => name)).toEqual(expect.arrayContaining(handles));
  expect(list).toHaveLength(handles.length);
  const disposers = list.filter(({ name }) => name.startsWith('dispose'));
  expect(disposers.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => 'returned'));
  const others = list.filter((call) => !disposers.includes(call));
  expect(notRefused(others)).toEqual([]);
  expect([...new Set(others.map(({ code }) => code))]).toEqual(['ERR_DISPOSED']);
});

test('the right types that do not fit each other, the model or any machine: refused', () => {
  const list = calls.filter(({ given }) => !given.endsWith(' arguments') && !given.includes(': '));
  expect(list.length).toBeGreaterThan(60);
  expect(notRefused(list)).toEqual([]);
  // Refused for what they are, and not because a machine had no memory for them.
  const beyond = list.filter(({ given }) => /than can be counted|than any model|beyond any machine/.test(given));
  expect(beyond.map(({ code }) => code)).toEqual(Array(5).fill('ERR_INVALID_ARGUMENT'));
});

test('nothing is left of it all, and the engine works', () => {
  expect(end.after).toEqual(end.before);
  expect(end.end).toEqual({ models: 0, datasets: 0, trainers: 0, vectors: 0, searches: 0 });
  expect(end.inUse).toBe(0);
});
