import { DeviceError, InvalidArgumentError } from '../../../lib';
import type { EngineAddon, EngineInfo, GpuInfo } from '../../../lib/engine/addon';
import { checkDevice, chooseDevice, choosePrecision, type DeviceOption } from '../../../lib/engine/devices';

/** The choice on machines with GPUs, which the engine here only tells of. */
const HOPPER: GpuInfo = { name: 'NVIDIA H100', capability: '9.0', bytes: 85e9, bf16: true };
const TURING: GpuInfo = { name: 'NVIDIA T4', capability: '7.5', bytes: 16e9, bf16: false };

let used: unknown[];
function engine(gpus: GpuInfo[], failure?: unknown): Pick<EngineAddon, 'info' | 'devices' | 'useDevice'> {
  used = [];
  return {
    info: () => ({ bf16: false, int8: false }) as EngineInfo,
    devices: async () => ({ gpus, driver: '13.0', reason: gpus.length > 0 ? null : 'the NVIDIA driver sees no GPU' }),
    useDevice: async (...asked) => {
      used.push(asked);
      if (failure !== undefined) throw failure;
      return null;
    },
  };
}
const two = () => engine([HOPPER, TURING]);

test.each<[DeviceOption, string, string]>([
  ['auto', 'cuda:0', 'NVIDIA H100'],
  ['cuda', 'cuda:0', 'NVIDIA H100'],
  ['cuda:0', 'cuda:0', 'NVIDIA H100'],
  ['cuda:1', 'cuda:1', 'NVIDIA T4'],
])('%s is %s where there are two', async (asked, device, gpu) => {
  expect(await chooseDevice(asked, 0.5, two())).toEqual({
    device,
    gpu,
    bf16: gpu === 'NVIDIA H100',
    limit: null,
    message: `The GPU ${device}, ${gpu}, is used`,
  });
  expect(used).toEqual([[device, 0.5]]); // the bound is set before anything is put there
});

test('a GPU beyond the last is refused with what there is, and no other is taken', async () => {
  await expect(chooseDevice('cuda:2', null, two())).rejects.toThrow(DeviceError);
  await expect(chooseDevice('cuda:2', null, two())).rejects.toMatchObject({
    code: 'ERR_DEVICE_UNAVAILABLE',
    message: expect.stringContaining('the last GPU here is cuda:1'),
  });
  expect(used).toEqual([]);
});

test('where the driver sees none, auto is the processor and says why, and cuda is refused with it', async () => {
  expect(await chooseDevice('auto', null, engine([]))).toMatchObject({
    device: 'cpu',
    gpu: null,
    message: 'The processor is used, as no GPU can be used: the NVIDIA driver sees no GPU',
  });
  await expect(chooseDevice('cuda', null, engine([]))).rejects.toMatchObject({
    message: expect.stringContaining('the NVIDIA driver sees no GPU'),
  });
});

test('a bound that comes too late is an invalid option, a GPU that is lost meanwhile is not', async () => {
  const late = Object.assign(new Error('memoryFraction is 0.5, but this process has begun'), {
    code: 'ERR_INVALID_ARGUMENT',
  });
  await expect(chooseDevice('cuda', 0.5, engine([HOPPER], late))).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: late.message,
  });
  const lost = Object.assign(new Error('CUDA error'), { code: 'ERR_DEVICE_LOST' });
  await expect(chooseDevice('auto', null, engine([HOPPER], lost))).rejects.toMatchObject({ code: 'ERR_DEVICE_LOST' });
});

test('the bound is for a GPU', async () => {
  await expect(chooseDevice('cpu', 0.5, two())).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringContaining('memoryLimit'),
  });
});

test('the precision is bf16 by default where the GPU has it, and what it has not is refused', async () => {
  const addon = two();
  const [hopper, turing] = [await chooseDevice('cuda:0', null, addon), await chooseDevice('cuda:1', null, addon)];
  expect(choosePrecision('auto', hopper, addon)).toBe('bf16');
  expect(choosePrecision('auto', turing, addon)).toBe('fp32');
  for (const precision of ['fp32', 'tf32', 'bf16', 'fp16'] as const)
    expect(choosePrecision(precision, hopper, addon)).toBe(precision);
  for (const precision of ['fp32', 'fp16'] as const) expect(choosePrecision(precision, turing, addon)).toBe(precision);
  for (const [precision, chosen, why] of [
    ['bf16', turing, /Ampere.*NVIDIA T4/],
    ['tf32', turing, /Ampere/],
    ['int8', hopper, /for the processor/],
  ] as const) {
    expect(() => choosePrecision(precision, chosen, addon)).toThrow(InvalidArgumentError);
    expect(() => choosePrecision(precision, chosen, addon)).toThrow(why);
  }
});

test('int8 is for a processor whose products of it are exact', async () => {
  const here = await chooseDevice('cpu', null, two());
  const able = { info: () => ({ bf16: false, int8: true }) as EngineInfo };
  expect(choosePrecision('int8', here, able)).toBe('int8');
  expect(() => choosePrecision('int8', here, two())).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining('avx2') }),
  );
});

test.each(['gpu', 'cuda:', 'cuda:-1', 'cuda:100', 'CUDA', 0, null, undefined])('device %p is refused', (device) => {
  expect(() => checkDevice('device', device)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining("'cuda:1'") }),
  );
});
