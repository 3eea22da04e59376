import type { EncoderSpec } from '../../lib/engine/addon';
import { EXPORTED_ARCHITECTURES, planOf } from '../../lib/export/plans';

const spec = (architecture: string) => ({ architecture }) as EncoderSpec;

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
