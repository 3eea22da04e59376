import { binding } from './binding.mjs';
import { checkpoint } from './checkpoint.mjs';
import { data } from './data.mjs';
import { delivery } from './delivery.mjs';
import { engine } from './engine.mjs';
import { evaluate } from './evaluate.mjs';
import { exported } from './export.mjs';
import { finetune } from './finetune.mjs';
import { model } from './model.mjs';
import { serve } from './serve.mjs';

/**
 * The guards of the code, by file: checks, flushes, renames and locks that are there for what seldom happens. `npm run
 * guards` replaces `from`, which is in the file once, by `to`, and then the test must fail whose file in test is `test` and
 * whose name, with those of the groups it is in, has `name` in it. Where that test can only hang without the guard, `hangs`.
 */
export const guards = {
  ...checkpoint,
  ...finetune,
  ...model,
  ...data,
  ...delivery,
  ...binding,
  ...engine,
  ...evaluate,
  ...exported,
  ...serve,
};
