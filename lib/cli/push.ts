import type { Command } from 'commander';
import type { PushFolderOptions } from '../push/options';
import type { PushEvent } from '../push/events';
import { pushFolder } from '../push/push';
import { megabytes } from '../system/disk';
import { addFlags, typedOptions } from './flags';
import { interruptible } from './interruptible';
import { pushFlags } from './tables';
import { animates } from './terminal';

/** `vectune push <folder> <owner/name>`: a saved model, or an export, to a repository of a hub. */
export function registerPush(program: Command): void {
  const command = program
    .command('push')
    .description('Put a saved model, or an export, into a repository of the Hugging Face hub (HF_TOKEN, HF_ENDPOINT).')
    .argument('<folder>', 'what save or export has written')
    .argument('<repo>', 'owner/name; it is made where there is none');
  addFlags(command, pushFlags).option('--json', 'print the result as JSON').action(run);
}

async function run(folder: string, repo: string, flags: { json?: boolean }, command: Command): Promise<void> {
  await interruptible(async (signal) => {
    const options = typedOptions(command, pushFlags) as PushFolderOptions;
    const report = await pushFolder(folder, repo, { ...options, signal, onProgress: show });
    if (flags.json) return `${JSON.stringify(report)}\n`;
    const bytes = report.files.reduce((sum, file) => sum + file.bytes, 0);
    const gone = report.removed.map((path) => `removed ${path}\n`).join('');
    return `${gone}${report.files.length} files, ${megabytes(bytes)}, as commit ${report.commit.slice(0, 8)}: ${report.url}\n`;
  });
}

/** On a terminal one line that the next takes the place of; nothing in a log. */
function show({ phase, file, sentBytes, totalBytes }: PushEvent): void {
  if (!animates(process.stderr)) return;
  const part = file === null ? '' : `  ${file}  ${megabytes(sentBytes)} of ${megabytes(totalBytes)}`;
  process.stderr.write(`\r\x1b[K${phase === 'committing' ? '' : `${phase}${part}`}`);
}
