import type { Command } from 'commander';
import { examine, type CandidateReport, type DoctorReport } from '../native/doctor';

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

function describe(report: DoctorReport): string {
  const { node, platform, cpu, addons, libtorch, engine } = report;
  const lines = [
    row('vectune', report.vectune),
    row('Node', `${node.version} (required ${node.required})`),
    row('platform', platform.glibc === null ? platform.key : `${platform.key}, glibc ${platform.glibc}`),
    row('processor', `${cpu.model}, ${cpu.cores} cores, ${(cpu.memoryBytes / 2 ** 30).toFixed(1)} GiB`),
    row('', cpu.features.join(' ') || 'no instruction set that helps'),
    row('NVIDIA driver', report.nvidiaDriver ? 'loaded; this version of vectune computes on the processor' : 'none'),
    row('loader', addons?.loader ?? 'missing'),
    ...engines(addons),
    row('LibTorch', `required ${libtorch.required.join(' or ')}`),
    ...libtorch.candidates.map((candidate) => row('', candidateLine(candidate, candidate.path === libtorch.chosen))),
    ...(libtorch.candidates.length === 0 ? [row('', 'none found')] : []),
  ];
  if (engine !== null) {
    const bf16 = engine.bf16 ? 'bf16 in hardware' : 'no bf16 in hardware';
    lines.push(
      row(
        'engine',
        `LibTorch ${engine.libtorch}, kernels ${engine.simd}, matrix products ${engine.gemm}, ` +
          `${bf16}, ${engine.threads} threads`,
      ),
    );
  }
  lines.push('');
  for (const problem of report.problems) lines.push(`Problem: ${problem}`);
  lines.push(report.ok ? report.next : `Next: ${report.next}`, '');
  return lines.join('\n');
}

function engines(addons: DoctorReport['addons']): string[] {
  if (addons === null) return [row('engine', 'missing')];
  return Object.entries(addons.engines).map(([version, path]) => row(`engine ${version}`, path));
}

function candidateLine({ via, path, version, reason }: CandidateReport, chosen: boolean): string {
  const verdict = reason === null ? (chosen ? 'used' : 'usable') : `rejected: ${reason}`;
  return `${path} (${via}${version === null ? '' : `, ${version}`}): ${verdict}`;
}

function row(name: string, value: string): string {
  return `${name.padEnd(15)} ${value}`;
}
