/** Checkpoints: written aside, flushed, renamed, locked, checked when read. */
export const checkpoint = {
  'lib/system/atomic-folder.ts': [
    {
      guard: 'written aside, then renamed',
      from: `
  const fresh = siblingName(place, 'new');
  await mkdir(fresh);
  try {
    await write(fresh);
    await flushTree(fresh);
    await swap(place, fresh, keep);`,
      to: `
  const fresh = place;
  await mkdir(fresh);
  try {
    await write(fresh);
    await flushTree(fresh);
    void [swap, keep];`,
      test: 'checkpoint/failing',
      name: 'files are on disk before the folder gets its name',
    },
    {
      guard: 'flush of files',
      from: '    else if (entry.isFile()) await flush(path);\n',
      to: '',
      test: 'checkpoint/failing',
      name: 'files are on disk before the folder gets its name',
    },
    {
      guard: 'flush of the new folder',
      from: '  await flushFolder(folder);\n',
      to: '',
      test: 'checkpoint/failing',
      name: 'files are on disk before the folder gets its name',
    },
    {
      guard: 'flush of the folder above',
      from: '  if (taken) await flushFolder(dirname(place));\n',
      to: '',
      test: 'checkpoint/failing',
      name: 'files are on disk before the folder gets its name',
    },
    {
      guard: 'flush of the folder above before the older folder goes',
      from: `
  if (taken) await flushFolder(dirname(place));
  // The new folder stands: what cannot be removed of the old one is no failure of the write.
  if (replaces) await removeFolder(old, place).catch(() => undefined);`,
      to: `
  if (replaces) await removeFolder(old, place).catch(() => undefined);
  if (taken) await flushFolder(dirname(place));`,
      test: 'checkpoint/failing',
      name: 'one that takes the place of another: the new name is on disk before the other goes',
    },
    {
      guard: 'flush of the folder above, of what may be kept',
      from: 'if (await takes(fresh, place)) return flushFolder(dirname(place));',
      to: 'if (await takes(fresh, place)) return;',
      test: 'checkpoint/failing',
      name: 'one that may be kept, and is not there: its name is on disk',
    },
    {
      guard: 'flush of the names of folders that are made',
      from: 'await flushFolder(dirname(made));',
      to: 'void made;',
      test: 'checkpoint/failing',
      name: 'the names of folders that are made are on disk',
    },
    {
      guard: 'flush of the name of what is put back',
      from: '  await flushFolder(dirname(to));\n',
      to: '',
      test: 'checkpoint/failing',
      name: 'the names of folders that are made are on disk',
    },
    {
      guard: 'the name goes first of what is removed',
      from: `
  const gone = siblingName(place, 'gone');
  await rename(folder, gone);`,
      to: `
  const gone = folder;
  void place;`,
      test: 'checkpoint/failing',
      name: 'files are on disk before the folder gets its name',
    },
    {
      guard: 'what could not be written is removed',
      from: '    await rm(fresh, { recursive: true, force: true });\n',
      to: '',
      test: 'checkpoint/failing',
      name: 'the disk is full',
    },
    {
      guard: 'what was moved aside goes back where the new one cannot come',
      from: '    if (replaces) await rename(old, place);\n',
      to: '',
      test: 'unit/model/cache',
      name: 'what is there goes back to its place',
    },
    {
      guard: 'keep',
      from: 'if (keep !== undefined) {',
      to: "if (keep !== undefined && place === '') {",
      test: 'unit/model/cache',
      name: "another writer's folder that comes just after it was looked for is kept",
    },
    {
      guard: 'keep is asked again where the place is taken meanwhile',
      from: 'flushFolder(dirname(place));\n    if (await keep()) return rm(fresh, { recursive: true });',
      to: 'flushFolder(dirname(place));',
      test: 'unit/model/cache',
      name: "another writer's folder that comes just after it was looked for is kept",
    },
  ],

  'lib/finetune/checkpoint/folder.ts': [
    {
      guard: 'what was moved aside goes back',
      from: 'names.includes(place) ? undefined : place',
      to: "names.includes(place) || place !== '' ? undefined : place",
      test: 'checkpoint/killed',
      name: 'killed while a checkpoint takes the place of another of the same step',
    },
    {
      guard: 'folder lock',
      from: 'const lock = await addon.lockFile(file);',
      to: 'const lock = (await addon.lockFile(file)) ?? 0;',
      test: 'checkpoint/failing',
      name: 'of two at the same moment one gets it',
    },
    {
      guard: 'lock given back',
      from: 'this.#addon.unlockFile(this.#lock);',
      to: 'void [this.#addon, this.#lock];',
      test: 'checkpoint/failing',
      name: 'of this process too, and the lock ends with the run',
    },
    {
      guard: 'lock given back where the folder cannot be used',
      from: '        addon.unlockFile(lock);\n',
      to: '',
      test: 'checkpoint/failing',
      name: 'and ends where the folder cannot be tidied up',
    },
    {
      guard: 'folder is still ours',
      from: 'await this.#checkOurs();',
      to: 'void this.#checkOurs;',
      test: 'checkpoint/failing',
      name: 'the folder is replaced by another',
    },
    {
      guard: 'damaged do not count as kept',
      from: 'names.filter((name) => !this.damaged.has(name)).slice(0, keep)',
      to: 'names.slice(0, keep)',
      test: 'checkpoint/damaged',
      name: 'damaged ones do not count among those that are kept',
    },
    {
      guard: 'keepBest',
      from: 'for (const name of keepBest ? names : [])',
      to: 'for (const name of keepBest && keep > 99 ? names : [])',
      test: 'checkpoint/damaged',
      name: "keepBest: the best epoch's too",
    },
    {
      guard: 'sweep of what is half done',
      from: 'if (place === undefined) await rm(join(path, name), { recursive: true, force: true });',
      to: 'if (place === undefined) void rm;',
      test: 'checkpoint/damaged',
      name: 'what a killed process left half done is removed',
    },
    {
      guard: "no sweep of what is others'",
      from: 'leftOver.test(found))',
      to: 'leftOver.test(found) || (found !== LOCK_FILE && !checkpointName.test(found)))',
      test: 'checkpoint/damaged',
      name: 'what a killed process left half done is removed',
    },
  ],

  'lib/finetune/checkpoint/checkpointer.ts': [
    {
      guard: 'rotation only after the new one is on disk',
      from: 'const path = await folder.put(',
      to: 'await folder.rotate(when.keep - 1, when.keepBest);\n      const path = await folder.put(',
      test: 'checkpoint/killed',
      name: 'killed before each change of its folder',
    },
    {
      guard: 'a failed write does not end the run',
      from: '      ++this.failed;',
      to: '      if (error !== undefined) throw error;\n      ++this.failed;',
      test: 'checkpoint/failing',
      name: 'the folder is removed: an error each time',
    },
    {
      guard: 'training does not wait for the disk',
      from: 'if (byCopy) copied();',
      to: 'if (byCopy) void copied;',
      test: 'checkpoint/stopping',
      name: 'a checkpoint goes to disk while training goes on',
      hangs: true,
    },
  ],

  'lib/finetune/checkpoint/content.ts': [
    {
      guard: 'checksum of the state',
      from: 'if (sum !== checksum) throw',
      to: "if (sum === '') throw",
      test: 'checkpoint/damaged',
      name: 'a bit of the state is flipped',
    },
    {
      guard: 'size of the state',
      from: 'if (found.size !== bytes) throw',
      to: 'if (found.size < 0) throw',
      test: 'checkpoint/damaged',
      name: 'the state is cut off by a byte',
    },
    {
      guard: 'checksum of the description',
      from: '|| sum !== sha256(text)) throw',
      to: "|| sum === '') throw",
      test: 'checkpoint/damaged',
      name: 'a digit of the description is another',
    },
  ],

  'lib/finetune/checkpoint/restore.ts': [
    {
      guard: 'damaged newest: the one before it',
      from: "if (!hasCode(error, 'ERR_CHECKPOINT_DAMAGED')) throw error;",
      to: "if (!hasCode(error, 'ERR_CHECKPOINT_DAMAGED') || damaged.length === 0) throw error;",
      test: 'checkpoint/damaged',
      name: 'the state is missing',
    },
    {
      guard: 'other arithmetic refused',
      from: 'if (inexact.length > 0 &&',
      to: 'if (inexact.length > 99 &&',
      test: 'checkpoint/refused',
      name: 'vectune: refused',
    },
  ],

  'lib/finetune/checkpoint/identity.ts': [
    {
      guard: 'other data refused',
      from: 'if (before.data.sha256 !== now.data.sha256) {',
      to: "if (before.data.sha256 === '') {",
      test: 'checkpoint/refused',
      name: 'other data',
    },
    {
      guard: 'other tokens refused',
      from: '} else if (before.tokenizer !== now.tokenizer) {',
      to: "} else if (before.tokenizer === '') {",
      test: 'checkpoint/refused',
      name: "another model, another model's tokenizer",
    },
    {
      guard: 'other model refused',
      from: 'if (now.model.before !== before.model.before && now',
      to: "if (now.model.before === '' && now",
      test: 'checkpoint/refused',
      name: "another model, another model's tokenizer",
    },
    {
      guard: 'the same weights under another encoder refused',
      from: '...commonDifferences(then.encoder, here.encoder), ',
      to: '',
      test: 'checkpoint/refused',
      name: 'the same weights that compute something else heads',
    },
    {
      guard: 'the same weights under another head refused',
      from: ", ...differences(then.head, here.head, 'model.head')",
      to: '',
      test: 'checkpoint/refused',
      name: 'the same weights that compute something else pooling',
    },
    {
      guard: 'other options refused',
      from: 'found.push(...differences(optionsBefore, optionsNow).map(ofOption));',
      to: 'void optionsNow;',
      test: 'checkpoint/refused',
      name: 'another option: learningRate',
    },
  ],
};
