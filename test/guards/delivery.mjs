/** LibTorch's delivery: archives, downloads, probes, verdicts, loading. */
export const delivery = {
  'lib/libtorch/unpack.ts': [
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

  'lib/libtorch/install.ts': [
    {
      guard: 'installers at once',
      from: "    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;\n",
      to: '',
      test: 'hostile/install',
      name: 'eight at once in one process',
    },
  ],

  'lib/system/tar.ts': [
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

  'lib/system/download.ts': [
    {
      guard: 'SHA-256 of a download',
      from: 'if (expected === undefined || found === expected) return;',
      to: "if (expected !== '') return;",
      test: 'hostile/install',
      name: 'has another archive: refused',
    },
    {
      guard: 'length of a download',
      from: 'if (this.#total !== undefined && this.received < this.#total) {',
      to: 'if ((false as boolean) && this.#total !== undefined && this.received < this.#total) {',
      test: 'hostile/install',
      name: 'sends less than is known to be there',
    },
  ],

  'lib/system/silence.ts': [
    {
      guard: 'silence of a server',
      from: 'Promise.race([iterator.next(), silence])',
      to: 'Promise.race([iterator.next(), ...(Date.now() < 0 ? [silence] : [])])',
      test: 'hostile/install',
      name: 'in the middle, once: the rest is asked for',
      hangs: true,
    },
  ],

  'lib/system/asar.ts': [
    {
      guard: "outside of the app's archive",
      from: "return path.replace(/\\.asar(?=[\\\\/]|$)/, '.asar.unpacked');",
      to: 'return path;',
      test: 'electron/stage',
      name: 'addons, LibTorch and weights that are named inside the archive are found outside of it',
    },
  ],

  'lib/engine/probe.ts': [
    {
      guard: 'the driver is started in the child',
      from: "if (cuda === 'cuda') await addon.devices();",
      to: '',
      test: 'unit/native/probe',
      name: 'in the child, and not without CUDA',
    },
    {
      guard: 'the driver is started under the marker where it is tried in place',
      from: 'if (cuda) await addon.devices();',
      to: '',
      test: 'unit/native/probe',
      name: 'with CUDA it starts the driver under the marker',
    },
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

  'lib/engine/verdicts.ts': [
    {
      guard: 'marker of a load that crashed',
      from: 'if (await this.#forgetCrash(name)) return undefined;',
      to: 'void this.#forgetCrash;',
      test: 'unit/native/probe',
      name: 'left by a process that died asks for a new probe',
    },
  ],

  'lib/engine/load.ts': [
    {
      guard: 'the driver is started under the marker',
      from: 'if (cuda) await addon.devices().catch(() => undefined);',
      to: '',
      test: 'unit/native/probe',
      name: 'in this process under the marker, with CUDA: true',
    },
    {
      guard: 'second LibTorch in a process',
      from: 'if (folder !== libDir) throw conflict(',
      to: "if (folder === '') throw conflict(",
      test: 'lifetime/load',
      name: 'that name a LibTorch each: the second is refused',
    },
  ],
};
