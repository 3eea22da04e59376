import { readFile } from 'node:fs/promises';
import { runChild } from './child';
import { hasNvidiaDriver } from './platform';

export interface Gpu {
  /** As the driver calls it, e.g. 'NVIDIA H100 80GB HBM3'. */
  name: string;
  memoryBytes: number;
}

export interface NvidiaReport {
  /** Version of the driver, e.g. '580.65.06'; null where there is none, or where it does not tell. */
  driver: string | null;
  gpus: Gpu[];
}

const ASK_SECONDS = 20;

/** What this machine has of NVIDIA's: asked of nvidia-smi, and where that is missing, of the kernel. */
export async function describeNvidia(environment: NodeJS.ProcessEnv = process.env): Promise<NvidiaReport> {
  const query = ['--query-gpu=driver_version,memory.total,name', '--format=csv,noheader,nounits'];
  const answer = await runChild('nvidia-smi', query, { environment, timeoutMs: ASK_SECONDS * 1000 }).then(
    ({ stdout }) => stdout,
    () => '',
  );
  const gpus: Gpu[] = [];
  let driver: string | null = null;
  for (const line of answer.split('\n')) {
    const [, version, mebibytes, name] = /^([\d.]+), (\d+), (.+)$/.exec(line.trim()) ?? [];
    if (version === undefined) continue;
    driver = version;
    gpus.push({ name: name!, memoryBytes: Number(mebibytes) * 2 ** 20 });
  }
  if (driver === null && hasNvidiaDriver()) {
    const text = await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => '');
    driver = /\s(\d{3,}\.\d+(?:\.\d+)?)\s/.exec(text)?.[1] ?? null;
  }
  return { driver, gpus };
}
