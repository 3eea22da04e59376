import type { Command } from 'commander';
import { megabytes } from '../system/disk';
import { examine, type CandidateReport, type DoctorReport } from '../doctor/doctor';

/** `vectune doctor`: exits with 0 if `finetune` can run here, else with 1. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('Say what was found, what is required and what to type next.')
    .option('--json', 'print the report as JSON')
    .option('--libtorch <folder>', 'examine this LibTorch only')
    .action(async (options: { json?: boolean; libtorch?: string }) => {
      const report = await examine({ libtorch: options.libtorch });
      process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
      process.exitCode = report.ok ? 0 : 1;
    });
}

/** One screen: a row for each thing, and below it, after an arrow, what to type about it. */
function describe(report: DoctorReport): string {
  const { node, platform, cpu, libtorch } = report;
  const lines = [
    ...row('vectune', report.vectune),
    ...row('Node', `${node.version} (required ${node.required})`),
    ...row('platform', platform.glibc === null ? platform.key : `${platform.key}, glibc ${platform.glibc}`),
    ...row('processor', `${cpu.model}, ${cpu.cores} cores, ${gibibytes(cpu.memoryBytes)}`),
    ...row('features', cpu.features.join(' ') || 'none that helps'),
    ...engine(report),
    ...row('LibTorch', `required ${libtorch.required.join(' or ')}`),
    ...libtorch.candidates.flatMap((candidate) =>
      row('', candidateLine(candidate, candidate.path === libtorch.chosen), candidate.next),
    ),
    ...(libtorch.candidates.length === 0 ? row('', 'none found') : []),
    ...row('NVIDIA', nvidia(report), report.nvidia.next),
    ...cache(report),
    '',
    ...report.problems.flatMap(({ what, next }) => [`Problem: ${what}`, `Next: ${next}`]),
    ...(report.ok ? [report.next] : []),
    '',
  ];
  return lines.join('\n');
}

function engine({ addons, engine, cpu }: DoctorReport): string[] {
  if (addons === null) return row('engine', 'missing');
  const versions = Object.keys(addons.engines).join(', ');
  if (engine === null) return row('engine', `for LibTorch ${versions}; none could be loaded`);
  const faster = [engine.bf16 && 'bf16', engine.int8 && 'int8'].filter(Boolean).join(' and ');
  return row(
    'engine',
    `LibTorch ${engine.libtorch}, kernels ${engine.simd}, matrix products ${engine.gemm}, ` +
      `${faster === '' ? 'neither bf16 nor int8' : faster} faster than fp32, ${engine.threads} threads` +
      (engine.threads > cpu.cores ? ` (more than the ${cpu.cores} cores)` : ''),
  );
}

function candidateLine({ via, path, version, cuda, reason }: CandidateReport, chosen: boolean): string {
  const verdict = reason === null ? (chosen ? 'used' : 'not needed') : `rejected: ${reason}`;
  const what = [via, version, version !== null && (cuda ? 'with CUDA' : 'processor only')].filter(Boolean);
  return `${path} (${what.join(', ')}): ${verdict}`;
}

function nvidia({ nvidia: { driver, gpus } }: DoctorReport): string {
  if (driver === null && gpus.length === 0) return 'no driver';
  const names = gpus.map(({ name, memoryBytes }) => `${name}, ${gibibytes(memoryBytes)}`);
  return [...names, `driver ${driver ?? 'of a version that it does not tell'}`].join('; ');
}

function cache({ cache: { folder, entries } }: DoctorReport): string[] {
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    ...row('cache', `${folder}, ${megabytes(total)}`),
    ...entries.flatMap(({ what, bytes, remove }) => row('', `${what}, ${megabytes(bytes)}; removed by: ${remove}`)),
  ];
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function row(name: string, value: string, next: string | null = null): string[] {
  const line = `${name.padEnd(10)} ${value}`;
  return next === null ? [line] : [line, `${' '.repeat(10)}   → ${next}`];
}
