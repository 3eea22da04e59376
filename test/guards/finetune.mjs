/** A run: what it refuses, what it must not lose, what it must not block. */
export const finetune = {
  'lib/system/aborted.ts': [
    {
      guard: 'a run stops while its loss is awaited',
      from: "signal.addEventListener('abort', stop);\n    if (signal.aborted) stop();",
      to: 'void stop;',
      test: 'unit/finetune/own-loss',
      name: 'that never answers does not keep a run from stopping',
      hangs: true,
    },
  ],

  'lib/finetune/own-loss.ts': [
    {
      guard: 'a loss that is not finite is refused',
      from: "if (typeof loss !== 'number' || !Number.isFinite(loss))",
      to: "if (typeof loss !== 'number')",
      test: 'unit/finetune/own-loss',
      name: 'that gives no number is refused',
    },
    {
      guard: 'a gradient that is not finite is refused',
      from: 'if (wrong >= 0)',
      to: 'if (wrong > vectors.length)',
      test: 'unit/finetune/own-loss',
      name: 'that gives a gradient that is not finite is refused',
    },
    {
      guard: 'the gradient is compared with differences',
      from: 'if (Math.abs(difference - expected) <= allowed) return null;',
      to: 'if (allowed >= 0) return null;',
      test: 'unit/finetune/own-loss',
      name: 'names the number whose gradient is another',
    },
  ],

  'lib/finetune/split.ts': [
    {
      guard: 'a family of rows stays on one side',
      from: 'if (validates[family] === 1 || sizes[family]! > room) continue;',
      to: 'if (validates[family] === 1) continue;',
      test: 'unit/finetune/split-order',
      name: 'a family that is too large trains',
    },
    {
      guard: 'what is shared all the same is told',
      from: 'known |= trained[columns[at]!]!;',
      to: 'known |= 0;',
      test: 'unit/finetune/split-order',
      name: 'where nothing is shared it is the split by rows',
    },
  ],

  'lib/finetune/order.ts': [
    {
      guard: 'no text twice in a batch',
      from: 'if (last[text]! <= batch) return last[text] === batch;',
      to: 'return last[text] === batch;',
      test: 'unit/finetune/sampler',
      name: 'no text is in two rows of a batch',
    },
    {
      guard: 'batches of classes are of like length',
      from: 'yield* sortWindows(members, span, lengths);',
      to: 'void span;',
      test: 'unit/finetune/sampler',
      name: 'rows of a batch are of like length',
    },
    {
      guard: 'every batch of classes has two of them',
      from: 'if (spread) to = (to + 1) % count;',
      to: '',
      test: 'unit/finetune/sampler',
      name: 'are dropped nowhere',
    },
  ],

  'lib/finetune/losses/fit.ts': [
    {
      guard: 'a loss is checked against the rows before the model is loaded',
      from: 'if (reason === undefined) continue;',
      to: 'continue;',
      test: 'public/losses',
      name: 'a loss that does not fit is refused',
    },
    {
      guard: 'pairs with classes by the name of their recipe',
      from: "if (loss === null) return recipe === 'pair-classes';",
      to: 'if (loss === null) return (false as boolean) && recipe !== null;',
      test: 'public/pair-classes',
      name: 'the recipe by its name reads classes, from rows, lists, files and in a set',
    },
  ],

  'lib/finetune/checkpoint/open.ts': [
    {
      guard: 'an earlier run is not begun over',
      from: 'if (there.length > 0) {',
      to: 'if (there.length > 1000) {',
      test: 'checkpoint/failing',
      name: 'a folder with an earlier run is not begun over',
    },
  ],

  'lib/finetune/finetune.ts': [
    {
      guard: 'abort within a step',
      from: 'if (addon !== undefined && trainer !== undefined) addon.cancel(trainer);',
      to: 'void trainer;',
      test: 'checkpoint/stopping',
      name: 'abort in the middle of a step: it is cut off',
    },
    {
      guard: 'checkpoint on abort',
      from: 'await checkpointer.onAbort(progress!);',
      to: '',
      test: 'checkpoint/stopping',
      name: 'writes a checkpoint before it rejects',
    },
    {
      guard: 'no finder on resume',
      from: 'progress = await restore(found,',
      to: "await planBatches({ rows: split.train, lengths, device: 'cpu', batchSize: 'auto', settings, probe: (rows) => addon!.probe(trainer!, rows), emit });\n      progress = await restore(found,",
      test: 'checkpoint/resume',
      name: 'a batch size that was found is not looked for again',
    },
  ],

  'lib/finetune/run-steps.ts': [
    {
      guard: 'memory of a copy is given back before a step is split',
      from: 'return checkpointer?.settled() ?? false;',
      to: 'return false;',
      test: 'checkpoint/memory',
      name: 'a step that would fit but for the copy waits for it to be written',
    },
    {
      guard: 'pause before a step',
      from: 'rests: (taken) => control.paused || (',
      to: 'rests: (taken) => (',
      test: 'checkpoint/stopping',
      name: 'pause and resume there: nothing goes on between them',
    },
  ],

  'lib/finetune/step-queue.ts': [
    {
      guard: 'what is queued behind a failed step comes after it',
      from: 'planned = [outcome.step, ...later.map(({ step }) => step), ...planned];',
      to: 'planned = [...later.map(({ step }) => step), outcome.step, ...planned];',
      test: 'checkpoint/memory',
      name: 'is done again with half the micro-batch, before the one that was queued behind it',
    },
  ],

  'lib/finetune/memory-limit.ts': [
    {
      guard: 'budget follows free memory',
      from: 'if (now - this.#at < fresh) return;',
      to: 'if (now - this.#at < fresh || now > 0) return;',
      test: 'checkpoint/memory',
      name: "others take the machine's memory during a run",
    },
  ],

  'lib/finetune/validator.ts': [
    {
      guard: 'parts of a validation are whole batches',
      from: 'const atOnce = batch * Math.max(1, Math.floor(rowsAtOnce / batch));',
      to: 'const atOnce = rowsAtOnce;',
      test: 'unit/finetune/validator',
      name: 'its parts are whole batches',
    },
    {
      guard: 'pause between parts of a validation',
      from: '      await ready();\n      const part = rows',
      to: '      const part = rows',
      test: 'unit/finetune/validator',
      name: 'a validation of many rows waits between its parts while the run is paused',
    },
  ],

  'lib/finetune/fitted-threshold.ts': [
    {
      guard: 'a run that goes on keeps the thresholds that it began with',
      from: 'const [wanted, known] = [logisticsIn(loss.native), then === undefined ? [] : logisticsIn(then)];',
      to: 'const [wanted, known] = [logisticsIn(loss.native), then === undefined ? [] : []];',
      test: 'public/losses',
      name: 'a run that goes on keeps its fitted thresholds, though the model has other weights by now',
    },
  ],

  'lib/finetune/keep.ts': [
    {
      guard: 'what is wrong with the rows to keep is told by their own options',
      from: 'throw errorOfKeep(error, keep);',
      to: 'throw error;',
      test: 'unit/finetune/keep',
      name: 'what is wrong with them is told in the words of the option',
    },
  ],

  'lib/text-vectorisation.ts': [
    {
      guard: 'busy model',
      from: 'if (this.#running !== undefined) {',
      to: 'if ((false as boolean) && this.#running !== undefined) {',
      test: 'public/bad-input/calls',
      name: 'a second run while one is on is refused',
    },
  ],
};
