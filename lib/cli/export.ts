import { Argument, type Command } from 'commander';
import type { ExportEvent } from '../export/events';
import { EXPORT_FORMATS, type ExportFormat, type ExportOptions } from '../export/options';
import { megabytes } from '../system/disk';
import { TextVectorisation } from '../text-vectorisation';
import { addFlags, typedOptions } from './flags';
import { interruptible } from './interruptible';
import { exportFlags, revisionFlags } from './tables';
import { animates } from './terminal';
import { requireFlags } from './usage';

interface Flags {
  model: string;
  out: string;
  json?: boolean;
}

/** `vectune export <format> --model <id|folder> --out <folder>`: the model for other programs to run. */
export function registerExport(program: Command): void {
  const command = program
    .command('export')
    .description(
      'Write a model for other programs to run: ONNX, for transformers.js and any ONNX runtime; GGUF, for llama.cpp.',
    )
    .addArgument(new Argument('<format>', EXPORT_FORMATS.join(' or ')).choices(EXPORT_FORMATS))
    .option('--model <id|folder>', 'a name on the hub, or a folder')
    .option('--out <folder>', 'where it is written; an earlier export that is there is replaced');
  requireFlags(command, 'model', 'out');
  addFlags(command, exportFlags);
  addFlags(command, revisionFlags).option('--json', 'print the result as JSON').action(run);
}

async function run(format: string, flags: Flags, command: Command): Promise<void> {
  await interruptible(async (signal, _, onLoad) => {
    const tv = new TextVectorisation(flags.model, {
      ...typedOptions(command, revisionFlags),
      device: 'cpu',
      onProgress: onLoad,
    });
    try {
      const options = typedOptions(command, exportFlags) as ExportOptions;
      const report = await tv.export(format as ExportFormat, flags.out, { ...options, signal, onProgress: show });
      if (flags.json) return `${JSON.stringify({ format, ...report })}\n`;
      const width = Math.max(...report.files.map(({ path }) => path.length)) + 2;
      const lines = report.files.map(({ path, bytes }) => `${path.padEnd(width)}${megabytes(bytes)}\n`);
      return `${lines.join('')}${report.notes.map((note) => `note: ${note}\n`).join('')}exported to ${report.folder}\n`;
    } finally {
      await tv.dispose();
    }
  });
}

/** On a terminal one line that the next takes the place of; nothing in a log, as a file takes seconds. */
function show({ file, writtenBytes, totalBytes }: ExportEvent): void {
  if (!animates(process.stderr)) return;
  const line = writtenBytes < totalBytes ? `${file}  ${megabytes(writtenBytes)} of ${megabytes(totalBytes)}` : '';
  process.stderr.write(`\r\x1b[K${line}`);
}
