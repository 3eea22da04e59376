// Prints a release's entry for lib/libtorch/releases.ts, which is checked and pasted there by hand: what pip
// says that torch needs, with each wheel's length, SHA-256 and the members that vectune unpacks of it.
//   node scripts/pin-libtorch.mjs 2.15.0 [folder of its wheels]     (without a folder pip fetches them: about 4 GB)
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DIST } from './setup/paths.mjs';
import { mustRun } from './setup/run.mjs';
import { runScript, SetupError } from './setup/step.mjs';
import { compileTypeScript } from './setup/typescript.mjs';

const require = createRequire(import.meta.url);
const PYTHON = '3.11';
const BLOCK = 4096;
/** Platforms of all wheels so far, for a glibc of 2.28. */
const PLATFORMS = ['2_28', '2_27', '2_25', '2_18', '2_17', '2_12', '2_5'].map((tag) => `manylinux_${tag}_x86_64`);

/** Needed to compute on the processor: libtorch_cpu and what it names. */
const CPU = [
  /^torch\/lib\/lib(?:c10|torch_cpu)\.so$/,
  /^torch\/lib\/libgomp\.so\.1$/,
  /^torch\/version\.py$/,
  /^nvidia\/[^/]+\/lib\/lib(?:cudart|cupti)\.so\.\d+$/,
];
/**
 * Needed besides for CUDA: libtorch_cuda, what it names, and what it opens by name when it is used (cuDNN's parts,
 * NVRTC). cuSOLVER, which only LibTorch's linear algebra opens, is not needed, nor are NVSHMEM's transports.
 */
const CUDA = [
  /^torch\/lib\/lib(?:c10_cuda|torch_cuda|torch_nvshmem|caffe2_nvrtc)\.so$/,
  /^nvidia\/[^/]+\/lib\/lib(?:cublas|cublasLt|cufft|cufile|curand|cusparse|cusparseLt|nccl|nvshmem_host|nvJitLink)\.so\.\d+$/,
  /^nvidia\/[^/]+\/lib\/libcudnn(?:_[a-z_]+)?\.so\.\d+$/,
  /^nvidia\/[^/]+\/lib\/libnvrtc(?:-builtins)?\.so\.[\d.]+$/,
];
const LICENCES = /^[^/]+\.dist-info\/licenses\/(?:LICENSE|NOTICE|License\.txt)$|^nvidia\/cusparselt\/LICENSE\.txt$/;
const HEADERS = 'torch/include/';

await runScript(async () => {
  const [version, named] = process.argv.slice(2);
  if (!/^\d+\.\d+\.\d+$/.test(version ?? '')) {
    throw new SetupError('Name the version of torch:', 'node scripts/pin-libtorch.mjs 2.15.0');
  }
  await compileTypeScript();
  const folder = named ?? mkdtempSync(join(tmpdir(), 'vectune-pin-'));
  try {
    if (named === undefined) await fetchWheels(version, folder);
    console.log(await describe(version, folder));
  } finally {
    if (named === undefined) rmSync(folder, { recursive: true, force: true });
  }
});

async function fetchWheels(version, folder) {
  const args = ['-m', 'pip', 'download', '--dest', folder, '--only-binary=:all:', '--python-version', PYTHON];
  const platforms = PLATFORMS.flatMap((tag) => ['--platform', tag]);
  await mustRun('python3', [...args, '--implementation', 'cp', ...platforms, `torch==${version}`]);
}

async function describe(version, folder) {
  const wheels = [];
  for (const file of readdirSync(folder)) {
    if (/^(?:torch|nvidia_[a-z0-9_]+)-.*\.whl$/.test(file)) wheels.push(await describeWheel(join(folder, file), file));
  }
  const used = wheels.filter((wheel) => wheel.members.length > 0 || wheel.cudaMembers.length > 0);
  // torch first, then what the processor needs, then the rest.
  const rank = (wheel) => (wheel.name === 'torch' ? 0 : wheel.members.length > 0 ? 1 : 2);
  used.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  const entry = { version, python: PYTHON, cudaDriver: '?', tested: '?', wheels: used };
  return `${written(entry, '    ')},`.trimStart();
}

/** A value as the table writes it. */
function written(value, indent) {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value !== 'object') return String(value);
  const list = Array.isArray(value);
  const items = Object.entries(value)
    .filter(([, item]) => list || (item !== 0 && item.length !== 0))
    .map(([name, item]) => `${list ? '' : `${name}: `}${written(item, `${indent}  `)}`);
  const line = items.join(', ');
  if (list && !line.includes('\n') && indent.length + line.length < 100) return `[${line}]`;
  const [open, close] = list ? '[]' : '{}';
  return [open, ...items.map((item) => `${indent}  ${item},`), `${indent}${close}`].join('\n');
}

async function describeWheel(path, file) {
  const { ZipFile } = require(join(DIST, 'system', 'zip.js'));
  const zip = await ZipFile.open(path);
  await zip.close();
  const [name, version] = file.split('-');
  const matching = (patterns) => zip.entries.filter((entry) => patterns.some((pattern) => pattern.test(entry.name)));
  const licences = matching([LICENCES]);
  const cpu = matching(CPU);
  const cuda = matching(CUDA);
  // The licence comes with the first thing that is unpacked.
  if (cpu.length > 0) cpu.push(...licences);
  else if (cuda.length > 0) cuda.push(...licences);
  const headers = zip.entries.filter((entry) => entry.name.startsWith(HEADERS));
  // As they lie on disk: most headers are smaller than a block.
  const total = (entries) => entries.reduce((sum, entry) => sum + Math.ceil(entry.bytes / BLOCK) * BLOCK, 0);
  return {
    name: name.replaceAll('_', '-'),
    version,
    file,
    sha256: await sha256Of(path),
    bytes: statSync(path).size,
    members: cpu.map((entry) => entry.name),
    cudaMembers: cuda.map((entry) => entry.name),
    headers: headers.length > 0 ? [HEADERS] : [],
    memberBytes: total(cpu),
    cudaBytes: total(cuda),
    headerBytes: total(headers),
  };
}

async function sha256Of(path) {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest('hex');
}
