/**
 * The guards of the code, by file: checks, flushes, renames and locks that are there for what seldom happens. `npm run
 * guards` replaces `from`, which is in the file once, by `to`, and then the test must fail whose file in test is `test` and
 * whose name, with those of the groups it is in, has `name` in it. Where that test can only hang without the guard, `hangs`.
 */
export const guards = {
  'lib/checkpoint/atomic.ts': [
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
      from: 'made = dirname(made)) await flushFolder(dirname(made));',
      to: 'made = dirname(made)) void made;',
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

  'lib/checkpoint/folder.ts': [
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

  'lib/checkpoint/checkpointer.ts': [
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

  'lib/checkpoint/content.ts': [
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

  'lib/checkpoint/restore.ts': [
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

  'lib/checkpoint/identity.ts': [
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
      guard: 'other options refused',
      from: 'found.push(...differences(optionsBefore, optionsNow));',
      to: 'void optionsNow;',
      test: 'checkpoint/refused',
      name: 'another option: learningRate',
    },
  ],

  'lib/finetune/finetune.ts': [
    {
      guard: 'an earlier run is not begun over',
      from: 'if (there.length > 0) {',
      to: 'if (there.length > 1000) {',
      test: 'checkpoint/failing',
      name: 'a folder with an earlier run is not begun over',
    },
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
      to: "await plan(split.train, lengths, 'cpu');\n      progress = await restore(found,",
      test: 'checkpoint/resume',
      name: 'a batch size that was found is not looked for again',
    },
  ],

  'lib/finetune/loop.ts': [
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
      guard: 'pause between parts of a validation',
      from: '      await ready();\n      const part',
      to: '      const part',
      test: 'unit/finetune/validator',
      name: 'a validation of many rows waits between its parts while the run is paused',
    },
  ],

  'lib/task/text-vectorisation.ts': [
    {
      guard: 'busy model',
      from: 'if (this.#running !== undefined) {',
      to: 'if ((false as boolean) && this.#running !== undefined) {',
      test: 'public/bad-input',
      name: 'a second run while one is on is refused',
    },
  ],

  'lib/tokenisation/tokeniser.ts': [
    {
      guard: 'pieces of texts',
      from: 'const PIECE_TEXTS = 256;',
      to: 'const PIECE_TEXTS = 4096;',
      test: 'lifetime/event-loop',
      name: 'texts are tokenised 256 at a time',
    },
    {
      guard: 'pieces of long texts',
      from: 'if (units > PIECE_UNITS && at > from) break;',
      to: 'if (units > PIECE_UNITS && at < from) break;',
      test: 'lifetime/event-loop',
      name: 'texts are tokenised 256 at a time',
    },
    {
      guard: 'tokenizer that fails on a text',
      from: '.catch((error: unknown) => {\n        // What',
      to: '.catch((error: unknown) => {\n        if (texts.length > 0) throw error;\n        // What',
      test: 'hostile/model-files',
      name: 'without the token for what it does not know',
    },
    {
      guard: 'largest id of special tokens',
      from: 'Math.max(largestId, largestOfVocabulary(tokenizer, json))',
      to: 'Math.max(0 * largestId, largestOfVocabulary(tokenizer, json))',
      test: 'hostile/model-files',
      name: 'whose special tokens have ids of their own',
    },
  ],

  'lib/model/folder/modules.ts': [
    {
      guard: 'paths of modules',
      from: 'if (isBelow(plain)) {',
      to: "if (isBelow(plain) || plain !== '') {",
      test: 'unit/model/refused-files',
      name: 'an absolute path',
    },
    {
      guard: 'links out of a model folder',
      from: '|| isBelow(relative(from, to))) return module;',
      to: "|| isBelow(relative(from, to)) || to !== '') return module;",
      test: 'unit/model/refused-files',
      name: 'a path through a link',
    },
  ],

  'lib/model/folder/json.ts': [
    {
      guard: 'depth of JSON',
      from: 'if (isDeeper(value, MAX_DEPTH)) throw',
      to: 'if ((false as boolean) && isDeeper(value, MAX_DEPTH)) throw',
      test: 'unit/model/refused-files',
      name: 'modules.json nested too deep',
    },
  ],

  'lib/model/hub.ts': [
    {
      guard: "paths of a hub's listing",
      from: "  if (parts.length > 2 || parts.some((part) => part === '' || part.startsWith('.'))) return false;\n",
      to: '',
      test: 'hostile/model-files',
      name: "any path of a hub's listing that counts as a model's file",
    },
  ],

  'lib/native/libtorch/unpack.ts': [
    {
      guard: 'members of an archive stay below its folder',
      from: 'if (!staysBelow(path)) {',
      to: 'if ((false as boolean) && !staysBelow(path)) {',
      test: 'hostile/archives',
      name: 'a zip archive whose members have any names',
    },
    {
      guard: 'members that collide',
      from: "if (!MISPLACED.has(code ?? '')) throw error;",
      to: "if (!MISPLACED.has(code ?? '') || code !== '') throw error;",
      test: 'hostile/archives',
      name: 'a file that lies where a member goes is not written through',
    },
  ],

  'lib/native/libtorch/install.ts': [
    {
      guard: 'installers at once',
      from: "    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;\n",
      to: '',
      test: 'hostile/install',
      name: 'eight at once in one process',
    },
  ],

  'lib/native/tar.ts': [
    {
      guard: 'a file that is there is not written through',
      from: "flags: 'wx'",
      to: "flags: 'w'",
      test: 'hostile/archives',
      name: 'a file that lies where a member goes is not written through',
    },
    {
      guard: 'links in an archive are passed over',
      from: "type === '0' || type === '\\0' ?",
      to: "type !== '5' ?",
      test: 'hostile/archives',
      name: 'links of an archive are passed over',
    },
  ],

  'lib/native/download.ts': [
    {
      guard: 'SHA-256 of a download',
      from: 'if (expected === undefined || found === expected) return;',
      to: "if (expected !== '') return;",
      test: 'hostile/install',
      name: 'has another archive: refused',
    },
    {
      guard: 'length of a download',
      from: 'if (this.total !== undefined && this.received < this.total) {',
      to: 'if ((false as boolean) && this.total !== undefined && this.received < this.total) {',
      test: 'hostile/install',
      name: 'sends less than is known to be there',
    },
  ],

  'lib/native/silence.ts': [
    {
      guard: 'silence of a server',
      from: 'Promise.race([iterator.next(), silence])',
      to: 'Promise.race([iterator.next(), ...(Date.now() < 0 ? [silence] : [])])',
      test: 'hostile/install',
      name: 'in the middle, once: the rest is asked for',
      hangs: true,
    },
  ],

  'lib/native/archive.ts': [
    {
      guard: "outside of the app's archive",
      from: "return path.replace(/\\.asar(?=[\\\\/]|$)/, '.asar.unpacked');",
      to: 'return path;',
      test: 'electron/stage',
      name: 'addons, LibTorch and weights that are named inside the archive are found outside of it',
    },
  ],

  'lib/native/probe.ts': [
    {
      guard: 'the app is not started as Node where it cannot be',
      from: '(await runsAsNode()) ?',
      to: '(await runsAsNode()) || cannotLoad !== undefined ?',
      test: 'unit/native/probe',
      name: 'the main process refuses and says what to do',
    },
    {
      guard: 'only a utility process tries for itself',
      from: 'if (!isUtilityProcess()) {',
      to: "if (!isUtilityProcess() && libDir === '') {",
      test: 'unit/native/probe',
      name: 'the main process refuses and says what to do',
    },
    {
      guard: 'no second LibTorch where it is tried in place',
      from: 'if (foreign !== undefined) throw',
      to: "if (foreign === '') throw",
      test: 'unit/native/probe',
      name: 'but not beside another LibTorch',
    },
  ],

  'lib/native/verdicts.ts': [
    {
      guard: 'marker of a load that crashed',
      from: 'if (await this.forgetCrash(name)) return undefined;',
      to: 'void this.forgetCrash;',
      test: 'unit/native/probe',
      name: 'left by a process that died asks for a new probe',
    },
  ],

  'lib/native/load.ts': [
    {
      guard: 'second LibTorch in a process',
      from: 'if (folder !== libDir) throw conflict(',
      to: "if (folder === '') throw conflict(",
      test: 'lifetime/load',
      name: 'that name a LibTorch each: the second is refused',
    },
  ],

  'native/binding/environment.cpp': [
    {
      guard: 'no work from an environment that is ending',
      from: 'accepted = !closed_;',
      to: 'accepted = true;',
      test: 'lifetime/exit',
      name: 'calls on exit beside a worker',
    },
    {
      guard: 'threads stopped with the last environment',
      from: `
  if (--process().open > 0) return;
  FileThread::instance().stop();
  EngineThread::instance().stop();
  device::WaitThread::instance().stop();`,
      to: `
  --process().open;`,
      test: 'lifetime/workers',
      name: 'the last one takes the threads along',
    },
    {
      guard: 'trainers are cancelled at the end of their environment',
      from: 'alive->cancel();',
      to: '',
      test: 'lifetime/workers',
      name: 'terminate in a step beside main',
    },
  ],

  'native/binding/handles.cpp': [
    {
      guard: 'type tag',
      from: 'return value.IsExternal() && value.As<Napi::External<Box<T>>>().CheckTypeTag(&expected);',
      to: 'static_cast<void>(expected);\n  return value.IsExternal();',
      test: 'lifetime/arguments',
      name: 'a value of another type, a handle of another kind',
    },
    {
      guard: 'disposed',
      from: 'if (!found.object) {',
      to: 'if (!found.object && index > 99) {',
      test: 'lifetime/arguments',
      name: 'a disposed handle: refused',
    },
  ],

  'native/binding/arguments.cpp': [
    {
      guard: 'unknown fields of an argument',
      from: 'if (!read_.contains(name)) {',
      to: 'if (!read_.contains(name) && name.empty()) {',
      test: 'lifetime/arguments',
      name: 'a value of another type, a handle of another kind',
    },
  ],

  'native/binding/trainer_binding.cpp': [
    {
      guard: 'a step only after so many',
      from: 'if (after && trainer->stats().steps != *after) return StepOutcome(std::nullopt);',
      to: '',
      test: 'checkpoint/memory',
      name: 'is done again with half the micro-batch, before the one that was queued behind it',
    },
  ],

  'native/engine/file_lock.cpp': [
    {
      guard: 'flock',
      from: 'if (errno == EWOULDBLOCK) return std::nullopt;',
      to: 'if (errno == EWOULDBLOCK) break;',
      test: 'checkpoint/failing',
      name: 'of two at the same moment one gets it',
    },
  ],

  'native/engine/dataset.cpp': [
    {
      guard: 'offsets end at the tokens',
      from: 'if (offsets[texts] != tokens) {',
      to: 'if (offsets[texts] != tokens && tokens < 0) {',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
    {
      guard: 'offsets grow',
      from: 'if (offsets[text + 1] <= offsets[text]) {',
      to: 'if (offsets[text + 1] <= offsets[text] && tokens < 0) {',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
  ],

  'native/engine/model.cpp': [
    {
      guard: 'token ids of embed',
      from: 'if (ids[i] >= spec_.encoder.vocab_size)',
      to: 'if (ids[i] >= spec_.encoder.vocab_size && ids[i] < 0)',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
    {
      guard: 'length of texts of embed',
      from: 'if (offsets[t + 1] - offsets[t] > longest_text())',
      to: 'if (offsets[t + 1] - offsets[t] > longest_text() && t < 0)',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
  ],

  'native/engine/safetensors.cpp': [
    {
      guard: 'header within the file',
      from: 'if (header > size - kPrefix) {',
      to: 'if (header > size - kPrefix && size < 9) {',
      test: 'unit/model/refused-weights',
      name: 'cut off in the header',
    },
    {
      guard: 'tensors within the file',
      from: 'if (static_cast<uint64_t>(range[1]) > data_bytes_) {',
      to: 'if (static_cast<uint64_t>(range[1]) > data_bytes_ && range[1] < 0) {',
      test: 'unit/model/refused-weights',
      name: 'with a tensor behind the end of the file',
    },
    {
      guard: 'tensors beside each other',
      from: 'check_tiling(entries);',
      to: '',
      test: 'unit/model/refused-weights',
      name: 'with two tensors at one place',
    },
  ],

  'native/engine/weights_file.cpp': [
    {
      guard: 'shape of weights',
      from: 'if (entry.shape != parameter.shape)',
      to: 'if (entry.shape != parameter.shape && entry.shape.empty())',
      test: 'unit/model/refused-weights',
      name: 'of another shape',
    },
  ],

  'native/engine/trainer_state.cpp': [
    {
      guard: 'vocabulary of a state',
      from: 'safetensors::Dtype::kI32) != vocabulary)',
      to: 'safetensors::Dtype::kI32).empty())',
      test: 'checkpoint/refused',
      name: 'a state of as many other tokens',
    },
  ],

  'native/engine/trainer.cpp': [
    {
      guard: 'rows of the dataset',
      from: 'if (rows[i] < 0 || rows[i] >= pairs)',
      to: 'if ((rows[i] < 0 || rows[i] >= pairs) && count < 0)',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
    {
      guard: 'gradient is zeroed at each attempt',
      from: 'if (!add) std::memset(',
      to: 'if (!add && steps == 0) std::memset(',
      test: 'parity/adamw',
      name: 'bert-dense has the losses and updates of ten steps',
    },
    {
      guard: 'workspace is released where memory ran out',
      from: 'release_workspace();  // the buffers of a batch that is too large must not take the room of a smaller one',
      to: '',
      test: 'public/memory',
      name: 'under which the batch that was asked for fails in training',
    },
    {
      guard: 'moments stand before the update',
      from: `
      reserve_moments();
    } catch (const c10::OutOfMemoryError&) {
      release_workspace();  // the buffers of a batch that is too large must not take the room of a smaller one
      throw;
    }
`,
      to: `
    } catch (const c10::OutOfMemoryError&) {
      release_workspace();
      throw;
    }
    ++steps;
    reserve_moments();
    --steps;
`,
      test: 'checkpoint/memory',
      name: 'each of the first step in turn',
    },
    {
      guard: 'a loss that is not finite',
      from: 'if (!std::isfinite(result.loss)) throw not_finite("loss");',
      to: '',
      test: 'checkpoint/not-finite',
      name: 'a loss that is not finite',
    },
    {
      guard: 'a gradient that is not finite',
      from: 'if (!std::isfinite(norm)) throw not_finite("norm of the gradient");',
      to: '',
      test: 'checkpoint/not-finite',
      name: 'a gradient that overflows under a finite loss',
    },
  ],
};
