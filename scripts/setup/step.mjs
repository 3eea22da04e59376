/** Something that the user must mend: one sentence, and the command that mends it. */
export class SetupError extends Error {
  constructor(sentence, command) {
    super(command === undefined ? sentence : `${sentence}\n  ${command}`);
    this.name = 'SetupError';
  }
}

/**
 * Runs one step of the set-up. `work` returns what it did, in words, or undefined where all was up to date: then
 * nothing is printed. Returns whether it did anything.
 */
export async function step(name, work) {
  const start = performance.now();
  const did = await work();
  if (did === undefined) return false;
  console.log(`${name.padEnd(11)} ${did} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  return true;
}

/** Runs a script's main function; its failure is one sentence, or for a fault of ours the whole stack. */
export async function runScript(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    const known =
      error instanceof SetupError ||
      (typeof error.code === 'string' &&
        error.code.startsWith('ERR_') &&
        /^(?:LibTorch|Download|Tool|Abort)Error$/.test(error.name));
    console.error(`\n${known ? error.message : error.stack}`);
    process.exitCode = 1;
  }
}
