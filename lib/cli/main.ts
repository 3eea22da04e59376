#!/usr/bin/env node
import { Command } from 'commander';
import { finetuneMisnomers } from '../finetune/resolved-options';
import { hasCode, messageFor, VectuneError } from '../system/errors';
import { ADDON_VERSION } from '../engine/load';
import { registerCompare } from './compare';
import { registerDoctor } from './doctor';
import { registerEmbed } from './embed';
import { registerEvaluate } from './evaluate';
import { registerExport } from './export';
import { registerFinetune } from './finetune';
import { registerLibTorch } from './libtorch';
import { registerMerge } from './merge';
import { registerMine } from './mine';
import { registerModels } from './models';
import { registerPush } from './push';
import { registerReport } from './report';
import { registerServe } from './serve';
import { cli } from './surface';
import {
  comparedFlags,
  compareFlags,
  embedFileFlags,
  embedFlags,
  evaluateFlags,
  exportFlags,
  finetuneFlags,
  mergeFlags,
  mineFlags,
  modelFlags,
  pushFlags,
  reportFlags,
  revisionFlags,
  serveFlags,
} from './tables';
import { FAILED, helpLine, MISUSED, tellUsage, type FlagNames } from './usage';
import { serveMisnomers } from '../serve/options';
import { embedMisnomers } from '../text-vectorisation-options';

/** `vectune`: the commands register themselves; what the library never does, print, is done here only. */
async function main(): Promise<void> {
  const program = new Command('vectune')
    .description('Fine-tune and run sentence-embedding models.')
    .version(ADDON_VERSION)
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 what was typed cannot be meant,\n130 ended by Ctrl-C, 143 by SIGTERM.',
    );
  registerFinetune(program);
  registerEmbed(program);
  registerEvaluate(program);
  registerCompare(program);
  registerMine(program);
  registerMerge(program);
  registerExport(program);
  registerPush(program);
  registerReport(program);
  registerServe(program);
  registerModels(program);
  registerDoctor(program);
  registerLibTorch(program);
  const names: Record<string, FlagNames> = {
    finetune: { table: finetuneFlags, misnomers: finetuneMisnomers },
    embed: { table: { ...modelFlags, ...embedFlags, ...embedFileFlags }, misnomers: embedMisnomers },
    mine: { table: { ...modelFlags, ...mineFlags }, misnomers: {} },
    evaluate: { table: { ...modelFlags, ...evaluateFlags }, misnomers: {} },
    merge: { table: mergeFlags, misnomers: {} },
    push: { table: pushFlags, misnomers: {} },
    export: { table: { ...exportFlags, ...revisionFlags }, misnomers: {} },
    report: { table: { ...comparedFlags, ...reportFlags }, misnomers: {} },
    serve: { table: { ...modelFlags, ...serveFlags }, misnomers: serveMisnomers },
    compare: { table: { ...comparedFlags, ...compareFlags }, misnomers: {} },
  };
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
  for (const command of all(program)) tellUsage(command, names[command.name()]);
  let running = program;
  program.hook('preAction', (_, command) => {
    running = command;
  });
  await program.parseAsync().catch((error: unknown) => fail(error, running));
}

/** What a user can mend is said in one sentence; anything else is a fault of ours and shows where it is. */
function fail(error: unknown, command: Command): void {
  process.exitCode = FAILED;
  if (!(error instanceof VectuneError)) {
    process.stderr.write(`vectune: ${(error as Error).stack}\n`);
    return;
  }
  process.stderr.write(`vectune: ${messageFor(error, cli)} [${error.code}]\n`);
  if (!hasCode(error, 'ERR_INVALID_OPTION') && !hasCode(error, 'ERR_UNKNOWN_OPTION')) return;
  process.stderr.write(`${helpLine(command)}\n`);
  process.exitCode = MISUSED;
}

void main();
