/** Node-API: handles, arguments, environments that end. */
export const binding = {
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
};
