/** Exports, and pushes to a hub. */
export const exported = {
  'lib/export/export.ts': [
    {
      guard: 'an export that is to stop',
      from: "if (signal.aborted) throw new AbortError('ERR_ABORTED', 'The export was stopped.'",
      to: "if (signal.aborted && Date.now() < 0) throw new AbortError('ERR_ABORTED', 'The export was stopped.'",
      test: 'export/onnx',
      name: 'leaves nothing where it is stopped',
    },
    {
      guard: 'weights that lie in the place of an export',
      from: 'await saveTarget(request.target, format.replaces)',
      to: 'await saveTarget(request.target)',
      test: 'export/onnx',
      name: 'left as it is where it is anything else',
    },
  ],

  'lib/export/plans.ts': [
    {
      guard: 'activations that fp16 cannot hold',
      from: 'isWide: true,',
      to: 'isWide: false,',
      test: 'export/onnx',
      name: 'what a part gives beyond its largest number are right',
    },
  ],

  'lib/export/onnx/model-file.ts': [
    {
      guard: 'weights outside of a file that would be too large',
      from: 'weights > most ? outside(',
      to: 'weights > most * 1e9 ? outside(',
      test: 'export/model-file',
      name: 'bytes of weights lie in files of their own',
    },
  ],

  'lib/push/push.ts': [
    {
      guard: 'a model that a repository holds already',
      from: 'if (!force && !isNew && held',
      to: 'if (!force && Date.now() < 0 && held',
      test: 'public/push',
      name: 'leaves a repository that holds a model alone',
    },
    {
      guard: 'a commit that someone else made meanwhile',
      from: 'parentCommit: head,',
      to: '',
      test: 'public/push',
      name: 'refuses where someone else was quicker',
    },
    {
      guard: 'the token and other addresses',
      from: '/`)) headers',
      to: '/`) || true) headers',
      test: 'public/push',
      name: 'goes to the hub alone',
    },
    {
      guard: 'a token that a hub repeats',
      from: ".replaceAll(token, '…')",
      to: '',
      test: 'public/push',
      name: 'stands in no message, event or error',
    },
  ],

  'lib/push/folder.ts': [
    {
      guard: 'files beside a model that may not be meant for others',
      from: 'if (foreign.length > 0) {',
      to: 'if (foreign.length > 0 && Date.now() < 0) {',
      test: 'public/push',
      name: 'holds what may not be meant for others',
    },
  ],
};
