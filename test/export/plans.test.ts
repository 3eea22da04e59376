import type { EncoderSpec } from '../../lib/engine/model-spec';
import { EXPORTED_ARCHITECTURES, planOf } from '../../lib/export/plans';
import { ARCHITECTURE_NAMES } from '../../lib/model/architectures';
import { STATIC } from '../../lib/model/folder/static-embedding';

const spec = (architecture: string) => ({ architecture }) as EncoderSpec;

test('every architecture that is run has a plan', () => {
  expect([...EXPORTED_ARCHITECTURES].sort()).toEqual([...ARCHITECTURE_NAMES, STATIC].sort());
});

test('an architecture without a plan is refused by its name, with those that have one', () => {
  for (const name of ['t5', 'toString', 'modernbert-of-tomorrow']) {
    expect(() => planOf(spec(name), 'ONNX')).toThrow(
      expect.objectContaining({
        name: 'ModelError',
        code: 'ERR_EXPORT',
        message: expect.stringContaining(
          `The architecture "${name}" cannot be exported as ONNX; ${EXPORTED_ARCHITECTURES.join(', ')} can.`,
        ) as string,
      }) as Error,
    );
  }
});
