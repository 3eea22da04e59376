import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { removeFolders, temporaryFolder, writeTree } from '../native/support/folders';

/**
 * scripts/gpu-check from its beginning to its end, on a machine that has no GPU: the programs that it runs and the peer are
 * scripts that answer as they do on a GPU. What it makes of their answers is what must be shown of a GPU.
 */
const SCRIPT = resolve(__dirname, '../../../scripts/gpu-check');
const QUORA = { minilm: 3e6, distiluse: 1.2e6 };

const BENCH = `#!/usr/bin/env python3
import json, os, pathlib, sys
device, given = sys.argv[1], sys.argv[2:]
tell = lambda **result: print(json.dumps(result))
pathlib.Path(sys.argv[0]).with_name("calls").open("a").write(" ".join(given) + "\\n")
while given:
    kind, *rest = given[: given.index("+")] if "+" in given else given
    given = given[len(rest) + 2 :]
    texts = pathlib.Path(rest[-1]).stem if rest else ""
    if os.environ.get("FAILING") == f"{kind} {rest[0]}" if rest else False:
        sys.exit("CUDA error: an illegal memory access was encountered")
    if kind == "info":
        tell(device=device, gpu="NVIDIA Nothing", capability="9.0", bytes=8 << 30, driver_cuda="13.0", libtorch="2.11.0")
    elif kind == "peak":
        for name, tflops in dict(fp32=50, tf32=350, bf16=700, fp16=700).items():
            tell(peak=name, tflops=tflops)
        tell(peak="memory", gbytes_per_second=3000.0)
    elif kind in ("train", "embed"):
        speed = {"minilm": ${QUORA.minilm}, "distiluse": ${QUORA.distiluse}}[rest[0]] * dict(fp32=0.1, tf32=0.4, bf16=1, fp16=0.9)[rest[1]]
        if kind == "train" and rest[2] == "32":
            speed /= 2
        flop = 64e6 if rest[0] == "minilm" else 255e6
        tell(**{kind: rest[0]}, precision=rest[1], texts=texts, tokens=1000, pairs=int(rest[2]) if kind == "train" else None,
             tokens_per_second=speed, tflops=speed * flop / 1e12, flop_per_token=flop, bytes_per_token=8e5)
    elif kind == "batch":
        tell(finder=2, outcome="succeeded", peak_bytes=1)
        tell(finder=4096, outcome="failed", peak_bytes=2)
        tell(largest_batch=3000 if rest[1] == "bf16" else 1500, doubling=2048, shape=rest[0], precision=rest[1], length=int(rest[2]),
             fraction=float(rest[3]), parameters=135127808, optimised_parameters=48000000)
    elif kind == "profile":
        tell(profile=rest[0], precision=rest[1], steps=3, tokens=100, trace=rest[4])
        kernels = [(0, 600, "nvjet_hsh_128x256"), (600, 100, "flash_bwd_kernel"), (750, 150, "vectorized_elementwise_kernel"), (950, 50, "FusedAdam")]
        if rest[0] == "minilm":
            kernels = [(10 * at, length / 10, name) for at, length, name in kernels]
        events = [dict(ph="X", cat="kernel", name=name, ts=ts, dur=dur) for ts, dur, name in kernels]
        pathlib.Path(rest[4]).write_text(json.dumps(dict(traceEvents=[dict(ph="X", cat="cpu_op", name="aten::mm", ts=0, dur=9999),
            dict(ph="X", cat="cuda_runtime", name="cudaLaunchKernel", ts=0, dur=1), dict(ph="X", cat="cuda_runtime", name="cudaDeviceSynchronize", ts=9, dur=1),
            *events])))
`;

const TESTS = `#!/bin/sh
echo "$1"
echo "3 passed, \${FAILED:-0} failed, 0 skipped"
`;

/** In place of the package: answers as test/gpu/peer_sentence_transformers.py, which imports it, and ends. */
const PEER = `
import json, os, pathlib, sys
if sys.argv[0].endswith("peer_sentence_transformers.py"):
    request = json.loads(pathlib.Path(sys.argv[1]).read_text())
    for run in request["runs"]:
        answer = dict(precision=request["precision"], attention=request["attention"], versions={"sentence-transformers": "6.2.0"})
        answer[run["kind"]] = request["shape"]
        if "lengths" in run:
            answer["texts"] = pathlib.Path(run["lengths"]).stem
        slow = 3 if request["attention"] == "sdpa" else 1
        if run["kind"] == "batch":
            answer.update(largest_batch=1200, doubling=1024)
        else:
            answer.update(tokens_per_second=6e5 / slow, unpadded=slow == 1, pairs=run.get("pairs"))
        print(json.dumps(answer), flush=True)
    os._exit(0)
`;

let home: string;
beforeEach(() => {
  home = temporaryFolder();
  writeTree(home, {
    'torch/include/ATen/core/Tensor.h': '',
    'build/gpu_bench': BENCH,
    'build/vectune_gpu_tests': TESTS,
    'python/sentence_transformers/__init__.py': PEER,
    'python/flash_attn.py': '',
  });
  for (const program of ['gpu_bench', 'vectune_gpu_tests']) chmodSync(join(home, 'build', program), 0o755);
});
afterAll(removeFolders);

function gpuCheck(args: string[] = [], environment: NodeJS.ProcessEnv = {}) {
  const env = {
    ...process.env,
    PYTHONPATH: join(home, 'python'),
    VECTUNE_LIBTORCH: join(home, 'torch'),
    ...environment,
  };
  const all = ['--no-build', '--build', join(home, 'build'), '--out', join(home, 'out.json'), ...args];
  const { status, stdout, stderr } = spawnSync(SCRIPT, all, { env, encoding: 'utf8' });
  const report = existsSync(join(home, 'out.json'))
    ? JSON.parse(readFileSync(join(home, 'out.json'), 'utf8'))
    : undefined;
  return { status, stdout, stderr, report };
}
const calls = () =>
  existsSync(join(home, 'build/calls')) ? readFileSync(join(home, 'build/calls'), 'utf8').trim().split('\n') : [];

interface Row {
  work: string;
  shape: string;
  texts: string;
  precision: string;
}
const rowOf = (rows: (Row & Record<string, unknown>)[], ...[work, shape, texts, precision]: string[]) =>
  rows.find((row) => row.work === work && row.shape === shape && row.texts === texts && row.precision === precision)!;

test('one call shows all: tests, throughput against the peer and the peaks, largest batches, profiles, roofline', () => {
  const { status, stdout, stderr, report } = gpuCheck();
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(report.device.results[0]).toMatchObject({ gpu: 'NVIDIA Nothing', libtorch: '2.11.0', driver_cuda: '13.0' });
  expect(report.tests.map(({ group, passed }: { group: string; passed: number }) => [group, passed])).toEqual([
    ['parity', 3],
    ['memory', 3],
    ['limit', 3],
    ['loss', 3],
  ]);
  expect(report.left).toEqual([]);
  const { throughput, largest_batch: batches, profiles, peaks } = report.summary;
  expect(peaks).toEqual({ fp32: 50, tf32: 350, bf16: 700, fp16: 700, memory: 3000 });
  expect(throughput).toHaveLength(2 * 2 * 2 * 4);
  // The faster batch of ours against the fastest mode of the peer, which is the unpadded one.
  const quora = rowOf(throughput, 'train', 'minilm', 'quora', 'bf16');
  expect(quora).toMatchObject({
    tokens_per_second: QUORA.minilm,
    pairs: 128,
    ratio: 5,
    reached: true,
    goal: "3 times the peer's best mode",
    peer: {
      tokens_per_second: 6e5,
      precision: 'bf16',
      attention: 'flash_attention_2',
      unpadded: true,
      versions: { 'sentence-transformers': '6.2.0' },
    },
  });
  expect(rowOf(throughput, 'embed', 'distiluse', 'quora', 'bf16')).toMatchObject({ ratio: 2, reached: false });
  // 64e6 flop and 8e5 bytes a token: 80 flop/byte, which 3,000 GB/s feed with 240 TFLOP/s.
  const long = rowOf(throughput, 'train', 'minilm', 'long', 'bf16');
  expect(long).toMatchObject({ goal: '33% of the bf16 peak', reached: false, flop_per_byte: 80 });
  expect(long['share_of_peak']).toBeCloseTo((QUORA.minilm * 64e6) / 700e12);
  expect(long['roof_tflops']).toBeCloseTo(240);
  expect(rowOf(throughput, 'train', 'distiluse', 'long', 'bf16')).toMatchObject({
    goal: '50% of the bf16 peak',
    reached: false,
  });
  expect(rowOf(throughput, 'train', 'distiluse', 'long', 'fp32')).toMatchObject({ goal: null, roof_tflops: 50 });
  expect(batches).toMatchObject([
    {
      precision: 'bf16',
      largest_batch: 3000,
      parameters: 135127808,
      length: 64,
      fraction: 0.1,
      peer: { largest_batch: 1200 },
    },
    { precision: 'fp32', largest_batch: 1500, peer: { largest_batch: 1200 } },
  ]);
  expect(report.benchmark['batch fp32'].results.slice(0, -1)).toEqual([
    { finder: 2, outcome: 'succeeded', peak_bytes: 1 },
    { finder: 4096, outcome: 'failed', peak_bytes: 2 },
  ]);
  expect(profiles).toHaveLength(4);
  const [small, , large] = profiles;
  expect(small).toMatchObject({
    shape: 'minilm',
    texts: 'quora',
    limit: 'the processor, which does not keep the GPU busy',
  });
  expect(large).toMatchObject({
    shape: 'distiluse',
    busy_share: 0.9,
    waits: { cudaDeviceSynchronize: 1 },
    largest_gap_ms: 0.05,
    limit: 'products',
    kinds: { products: 0.6, attention: 0.1, 'other elementwise work and sums': 0.15, optimiser: 0.05 },
  });
  for (const line of report.summary.lines) expect(stdout).toContain(line);
  const drawing = readFileSync(join(home, 'out.svg'), 'utf8');
  expect(drawing.match(/<circle/g)).toHaveLength(throughput.length);
  expect(drawing).toMatch(
    /Roofline: NVIDIA Nothing, LibTorch 2\.11\.0, memory 3,000 GB\/s[\s\S]*bf16 GEMM 700 TFLOP\/s/,
  );
});

test('in parts: what there was no time for is done by --go-on, and nothing twice', () => {
  const first = gpuCheck(['--seconds', '0']);
  expect(first.status).toBe(0);
  expect(first.report.tests).toEqual([]);
  expect(first.report.left.slice(0, 5)).toEqual(['tests parity', 'tests memory', 'tests limit', 'tests loss', 'peak']);
  expect(first.stdout).toContain('with --go-on: tests parity, ');
  expect(calls()).toEqual(['info']);
  const second = gpuCheck(['--go-on']);
  expect(second.report.left).toEqual([]);
  expect(Object.keys(second.report.benchmark)).toEqual(first.report.left.slice(4));
  const done = calls().length;
  const third = gpuCheck(['--go-on']);
  expect(calls().slice(done)).toEqual(['info']);
  expect(third.report).toEqual(second.report);
});

test('what failed is told, keeps what came before it, and is tried again', () => {
  const { status, report } = gpuCheck([], { FAILING: 'embed distiluse' });
  expect(status).toBe(0); // of tests, none failed
  expect(report.benchmark['throughput distiluse bf16']).toMatchObject({
    error: ['CUDA error: an illegal memory access was encountered'],
  });
  expect(rowOf(report.summary.throughput, 'train', 'distiluse', 'long', 'bf16')).toBeDefined();
  expect(rowOf(report.summary.throughput, 'embed', 'distiluse', 'long', 'bf16')).toBeUndefined();
  const before = calls().length;
  const again = gpuCheck(['--go-on']);
  expect(
    calls()
      .slice(before + 1)
      .map((call) => call.split(' ').slice(0, 2).join(' ')),
  ).toEqual(Array(4).fill('train distiluse'));
  expect(rowOf(again.report.summary.throughput, 'embed', 'distiluse', 'long', 'bf16')).toBeDefined();
});

test('a failed test is a failed check, and without a GPU that is what is said', () => {
  expect(gpuCheck(['--tests-only'], { FAILED: '1' })).toMatchObject({ status: 1, report: { benchmark: {} } });
  expect(gpuCheck(['--go-on', '--quick'])).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/of other programs.*Leave out --go-on/),
  });
  writeFileSync(join(home, 'build/gpu_bench'), '#!/bin/sh\necho "no GPU can be used: no driver" >&2\nexit 1\n');
  const without = gpuCheck();
  expect(without.status).toBe(0);
  expect(without.stdout).toMatch(/0 failed, 0 skipped \(no GPU can be used: no driver\)/);
  expect(without.report).toMatchObject({ benchmark: {}, summary: { throughput: [] } });
});
