import { existsSync } from 'node:fs';

/** Operating system, processor and C library, as LibTorch's builds are told apart: 'linux-x64', 'linux-x64-musl'. */
export function platformKey(): string {
  const musl = process.platform === 'linux' && glibcVersion() === undefined ? '-musl' : '';
  return `${process.platform}-${process.arch}${musl}`;
}

/**
 * File of a shared library on a platform, by the name that its build gives it: 'torch_cpu' is libtorch_cpu.so,
 * libtorch_cpu.dylib or torch_cpu.dll. native/loader names them by the same rule.
 */
export function libraryFile(name: string, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'win32') return `${name}.dll`;
  return `lib${name}.${platform === 'darwin' ? 'dylib' : 'so'}`;
}

/** Version of the C library that Node runs on; undefined where that is not glibc. */
export function glibcVersion(): string | undefined {
  // The report is written without looking up the names of network hosts, which may take seconds.
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime;
  } finally {
    if (before !== undefined) report.excludeNetwork = before;
  }
}

/** Whether this machine has an NVIDIA driver that is loaded. */
export function hasNvidiaDriver(): boolean {
  return existsSync('/proc/driver/nvidia/version') || existsSync('/dev/nvidiactl');
}
