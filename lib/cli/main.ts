#!/usr/bin/env node
import { Command } from 'commander';
import { messageFor, VectuneError } from '../system/errors';
import { ADDON_VERSION } from '../engine/load';
import { registerDoctor } from './doctor';
import { registerEmbed } from './embed';
import { registerFinetune } from './finetune';
import { registerLibTorch } from './libtorch';
import { cli } from './surface';

/** `vectune`: the commands register themselves; what the library never does, print, is done here only. */
async function main(): Promise<void> {
  const program = new Command('vectune')
    .description('Fine-tune and run sentence-embedding models.')
    .version(ADDON_VERSION)
    .showHelpAfterError();
  registerFinetune(program);
  registerEmbed(program);
  registerDoctor(program);
  registerLibTorch(program);
  await program.parseAsync();
}

main().catch((error: unknown) => {
  // What a user can mend is said in one sentence; anything else is a fault of ours and shows where it is.
  const message = error instanceof VectuneError ? `${messageFor(error, cli)} [${error.code}]` : (error as Error).stack;
  process.stderr.write(`vectune: ${message}\n`);
  process.exitCode = 1;
});
