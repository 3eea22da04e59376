import { found } from '../system/options';
import { custom, numeric } from '../system/option-table';
import { command, mentioning, option, say, words } from '../system/wording';
import { DeviceError, fromNative, InvalidArgumentError } from '../system/errors';
import type { EngineAddon } from './addon';
import type { NativeDevice, NativePrecision } from './compute';
import { reasonWithoutCuda } from './load';

/** Where to compute: the first GPU where one can be used and else the processor, or the one that is named. */
export type DeviceOption = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

/** What was chosen, and why. */
export interface ChosenDevice {
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: NativeDevice;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  /** Whether bf16 is the faster precision there. */
  bf16: boolean;
  /** What `memoryFraction` comes to where the device's own allocator cannot be bounded, in bytes. */
  limit: number | null;
  /** For people to read. */
  message: string;
}

/** An option as it was given. @throws InvalidArgumentError ERR_INVALID_OPTION */
export function checkDevice(path: string, device: unknown): DeviceOption {
  if (device === 'auto' || device === 'cpu' || device === 'cuda') return device;
  if (typeof device === 'string' && /^cuda:\d{1,2}$/.test(device)) return device as DeviceOption;
  const known = words(
    "'auto', 'cpu', 'cuda' or a GPU by its number as 'cuda:1'",
    'auto, cpu, cuda or a GPU by its number as cuda:1',
  );
  throw new InvalidArgumentError('ERR_INVALID_OPTION', say`${option(path)} must be ${known}, but is ${found(device)}.`);
}

/** Where to compute. */
export const deviceOption = custom<DeviceOption>('text', checkDevice);

/** A share of a GPU's memory. */
export const memoryFractionOption = numeric('a number above 0 and at most 1', (n) => n > 0 && n <= 1);

/**
 * Tests run what is made for GPUs on the processor: with this variable set to 'cpu-tensors', every device but 'cpu' means
 * that. It is for the package's own tests, is slow, and nothing that is printed or returned takes it for a GPU.
 */
const TEST_VARIABLE = 'VECTUNE_TEST_DEVICE';

/**
 * Finds the device that was asked for and bounds the share of its memory that this process may take (null: no bound).
 *
 * @throws DeviceError ERR_DEVICE_UNAVAILABLE: a GPU was asked for by name and cannot be used; it says why.
 *   InvalidArgumentError: a bound for a GPU's memory where the processor was asked for, or one that comes too late.
 */
export async function chooseDevice(
  asked: DeviceOption,
  memoryFraction: number | null,
  addon: Pick<EngineAddon, 'info' | 'devices' | 'useDevice'>,
): Promise<ChosenDevice> {
  const processor = (message: string): ChosenDevice => ({
    device: 'cpu',
    gpu: null,
    bf16: addon.info().bf16,
    limit: null,
    message,
  });
  if (asked === 'cpu') {
    if (memoryFraction !== null) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        say`${option('memoryFraction')} is a share of a GPU's memory, but ${words("device is 'cpu'", '--device is cpu')}.`,
        { remedy: say`Use ${option('memoryLimit')}${words(', in bytes', '')}, or leave it out.` },
      );
    }
    return processor('The processor is used, as was asked for');
  }
  const use = async (
    device: NativeDevice,
    gpu: string | null,
    bf16: boolean,
    message: string,
  ): Promise<ChosenDevice> => {
    try {
      return { device, gpu, bf16, limit: await addon.useDevice(device, memoryFraction), message };
    } catch (error) {
      const failure = fromNative(error);
      throw failure instanceof InvalidArgumentError
        ? new InvalidArgumentError('ERR_INVALID_OPTION', mentioning(failure.message, 'memoryFraction'), {
            cause: failure,
          })
        : failure;
    }
  };
  if (process.env[TEST_VARIABLE] === 'cpu-tensors')
    return use('cpu-tensors', null, false, 'CPU tensors are used, for a test');

  const withoutCuda = await reasonWithoutCuda();
  const { gpus, reason } = withoutCuda === null ? await addon.devices() : { gpus: [], reason: withoutCuda };
  const index = asked === 'auto' || asked === 'cuda' ? 0 : Number(asked.slice('cuda:'.length));
  const gpu = gpus[index];
  if (gpu !== undefined) return use(`cuda:${index}`, gpu.name, gpu.bf16, `The GPU cuda:${index}, ${gpu.name}, is used`);
  const why = gpus.length > 0 ? `the last GPU here is cuda:${gpus.length - 1}` : `no GPU can be used: ${reason}`;
  if (asked === 'auto') {
    const bound = memoryFraction === null ? '' : '; the share of its memory that was given bounds nothing';
    return processor(`The processor is used, as ${why}${bound}`);
  }
  throw new DeviceError(
    'ERR_DEVICE_UNAVAILABLE',
    say`${words(`device is '${asked}'`, `--device is ${asked}`)}, but ${why}.`,
    {
      remedy: say`Use ${words("'auto' or 'cpu'", 'auto or cpu')}, or see what is installed and what to type next by: ${command('doctor')}`,
    },
  );
}

/** What users may ask for; each device refuses what it cannot do. */
export type PrecisionOption = 'auto' | NativePrecision | 'int8';

/**
 * The precision to compute in. 'auto' is bf16 where the device multiplies it faster, else fp32.
 *
 * @throws InvalidArgumentError ERR_INVALID_OPTION: the device cannot do it, and why
 */
export function choosePrecision(
  asked: PrecisionOption,
  { device, gpu, bf16 }: ChosenDevice,
  addon: Pick<EngineAddon, 'info'>,
): NativePrecision | 'int8' {
  const refuse = (why: string, instead: readonly string[]) => {
    const values = words(instead.map((value) => `'${value}'`).join(' or '), instead.join(' or '));
    return new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${words(`precision '${asked}'`, `--precision ${asked}`)} ${why}.`,
      {
        remedy: say`Use ${values}${asked === 'int8' && device !== 'cpu' ? say`, or ${option('device', 'cpu')}` : ''}.`,
      },
    );
  };
  if (asked === 'auto') return bf16 ? 'bf16' : 'fp32';
  if (device === 'cpu') {
    if (asked === 'tf32' || asked === 'fp16') {
      throw refuse('is for GPUs, and the processor is used', ['fp32', 'bf16', 'auto']);
    }
    if (asked === 'int8' && !addon.info().int8) {
      throw refuse('needs a processor that multiplies int8 exactly (avx2), and this one does not', ['fp32', 'auto']);
    }
    return asked;
  }
  if (asked === 'int8') throw refuse('is for the processor, and a GPU is used', ['bf16', 'fp16']);
  if (gpu !== null && !bf16 && (asked === 'bf16' || asked === 'tf32')) {
    throw refuse(`needs a GPU of NVIDIA's Ampere generation or newer, and ${gpu} is older`, ['fp16', 'fp32']);
  }
  return asked;
}
