import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Folders of Postgres's programs, as Debian has them. */
const ROOT = '/usr/lib/postgresql';
const versions = existsSync(ROOT) ? readdirSync(ROOT).sort((a, b) => Number(b) - Number(a)) : [];
const version = versions.find((one) => existsSync(`/usr/share/postgresql/${one}/extension/vector.control`));

/** Why there is no Postgres with pgvector here; undefined where there is. */
export const noPostgres =
  version !== undefined
    ? undefined
    : versions.length > 0
      ? `Postgres ${versions.join(', ')} has no pgvector (Debian: postgresql-${versions[0]}-pgvector).`
      : `There is no Postgres in ${ROOT}.`;

/** Postgres in WebAssembly, of `folder`, where there is no other. */
export async function startPglite(folder: string): Promise<{ url: string; stop(): Promise<void> }> {
  const program = join(__dirname, 'programs', 'pglite.cjs');
  const child = spawn(process.execPath, [program], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()));
    child.once('exit', () => reject(new Error('PGlite ended')));
  });
  return {
    url,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A Postgres of its own, in a folder of its own, on a free port of 127.0.0.1. It does not run as root. */
export async function startPostgres(): Promise<{ url: string; stop(): Promise<void> }> {
  const bin = (name: string) => join(ROOT, version!, 'bin', name);
  const folder = mkdtempSync(join(tmpdir(), 'vectune-postgres-'));
  const user = process.getuid?.() === 0 ? { uid: id('-u'), gid: id('-g') } : {};
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid!);
  const data = join(folder, 'data');
  execFileSync(bin('initdb'), ['-D', data, '-U', 'vectune', '--auth=trust', '--no-sync'], { ...user, stdio: 'ignore' });
  const port = await freePort();
  const options = ['-D', data, '-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'];
  const child = spawn(bin('postgres'), options, { ...user, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ready = () => {
    try {
      execFileSync(bin('pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  while (!ready()) await sleep(100); // the test's own limit ends what never comes up
  return {
    url: `postgres://vectune@127.0.0.1:${port}/postgres`,
    async stop() {
      child.kill('SIGINT'); // a fast shutdown
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function id(which: '-u' | '-g'): number {
  return Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' }));
}
