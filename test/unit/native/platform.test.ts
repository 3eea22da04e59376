import { libraryFile, platformKey } from '../../../lib/system/platform';

test('a library is called as its platform calls it', () => {
  expect(libraryFile('torch_cpu', 'linux')).toBe('libtorch_cpu.so');
  expect(libraryFile('torch_cpu', 'darwin')).toBe('libtorch_cpu.dylib');
  expect(libraryFile('torch_cpu', 'win32')).toBe('torch_cpu.dll');
  expect(libraryFile('c10')).toMatch(/^(?:libc10\.(?:so|dylib)|c10\.dll)$/);
});

test('the platform is told as prebuilt addons are', () => {
  expect(platformKey().startsWith(`${process.platform}-${process.arch}`)).toBe(true);
});
