"""scripts/gpu-check: builds, tests and measures the engine on a GPU, and writes one JSON file. Standard library only."""

import argparse
import datetime
import importlib.util
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Each in a process of its own: the share of memory can be set once, and after the loss nothing works.
TEST_GROUPS = ["parity_", "memory_", "loss_"]
FRACTION = 0.1  # of the GPU's memory, for the largest batch; both sides have the same


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/gpu-check")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--build", type=Path, default=ROOT / ".build" / "gpu")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"))
    parser.add_argument("--quick", action="store_true", help="fewer texts; no profile")
    parser.add_argument("--tests-only", action="store_true")
    return parser.parse_args()


def libtorch():
    """The folder with include/ and lib/."""
    given = os.environ.get("VECTUNE_LIBTORCH")
    if given:
        root = Path(given)
        for candidate in (root, root / "torch", root / "libtorch"):
            if (candidate / "include" / "ATen" / "core" / "Tensor.h").exists():
                return candidate.resolve()
        sys.exit(f"VECTUNE_LIBTORCH names {given}, which has no LibTorch with headers (include/ATen).")
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        sys.exit(f"{sys.executable} has no torch. Name a LibTorch 2.11.0 with headers in VECTUNE_LIBTORCH, or another Python in PYTHON.")
    return Path(found.origin).parent.resolve()


def library_path(torch):
    """Folders of LibTorch's libraries; the CUDA wheels beside it are found by its own path."""
    return os.pathsep.join(filter(None, [str(torch / "lib"), os.environ.get("LD_LIBRARY_PATH")]))


def build(torch, folder):
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing; install it, e.g.: sudo apt-get install cmake g++")
    folder.mkdir(parents=True, exist_ok=True)
    jobs = os.environ.get("VECTUNE_JOBS", str(os.cpu_count() or 1))
    definitions = [f"-DVECTUNE_LIBTORCH={torch}", "-DVECTUNE_GPU=ON", "-DCMAKE_BUILD_TYPE=Release"]
    for command in (
        ["cmake", "-S", str(ROOT), "-B", str(folder), *definitions],
        ["cmake", "--build", str(folder), "--parallel", jobs, "--target", "vectune_gpu_tests", "gpu_bench"],
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit("\n".join(done.stdout.splitlines()[-40:]))


def run_tests(folder, environment):
    groups = []
    for group in TEST_GROUPS:
        done = subprocess.run(
            [str(folder / "vectune_gpu_tests"), group], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        print(done.stdout, end="")
        counts = re.search(r"(\d+) passed, (\d+) failed, (\d+) skipped", done.stdout)
        passed, failed, skipped = map(int, counts.groups()) if counts else (0, 1, 0)
        groups.append({
            "group": group.rstrip("_"), "exit": done.returncode, "passed": passed, "failed": failed, "skipped": skipped,
            "output": done.stdout.splitlines(),
        })
    return groups


class Bench:
    """Runs gpu_bench and the peer; what fails is a result too."""

    def __init__(self, folder, environment, device):
        self.folder, self.environment, self.device = folder, environment, device
        self.results = []

    def run(self, kind, *given):
        command = [str(self.folder / "gpu_bench"), kind, self.device, *map(str, given)]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        result = {"who": "vectune", "command": [kind, *map(str, given)], "results": lines}
        if done.returncode != 0:
            result["error"] = done.stderr.strip().splitlines()[-3:]
        return self.add(result)

    def peer(self, **request):
        request["device"] = self.device.replace("cpu-tensors", "cpu")
        file = self.folder / "peer-request.json"
        file.write_text(json.dumps(request), encoding="utf-8")
        script = ROOT / "test" / "gpu" / "peer_sentence_transformers.py"
        done = subprocess.run([sys.executable, str(script), str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        result = {"who": "sentence-transformers", "command": request, "results": []}
        if done.returncode == 0:
            result["results"] = [json.loads(done.stdout.splitlines()[-1])]
        else:
            result["error"] = done.stderr.strip().splitlines()[-3:]
        return self.add(result)

    def add(self, result):
        print(json.dumps(result))
        self.results.append(result)
        return result


def write_lengths(folder, count):
    """Lengths as those of Quora's questions in tokens (mean 14, few above 40), and texts of 256 tokens."""
    random.seed(1)
    quora = [max(5, min(64, round(random.lognormvariate(2.55, 0.4)))) for _ in range(count)]
    files = {"quora": quora, "long": [256] * (count // 8)}
    for name, lengths in files.items():
        (folder / f"lengths-{name}.txt").write_text("\n".join(map(str, lengths)), encoding="utf-8")
    return {name: folder / f"lengths-{name}.txt" for name in files}


def measure(bench, folder, quick):
    on_gpu = bench.device.startswith("cuda")
    files = write_lengths(folder, (512 if quick else 8192) if on_gpu else 16)
    bench.run("peak")
    has_peer = importlib.util.find_spec("sentence_transformers") is not None
    if not has_peer:
        bench.add({"who": "sentence-transformers", "error": ["it is not in this Python, so nothing is compared"]})
    attentions = ["sdpa"] + (["flash_attention_2"] if importlib.util.find_spec("flash_attn") is not None else [])
    for shape in ("minilm", "distiluse"):
        for name, file in files.items():
            for precision in ("fp32", "tf32", "bf16", "fp16"):
                for pairs in (32, 128):
                    bench.run("train", shape, precision, pairs, file)
                bench.run("embed", shape, precision, file)
            for precision in ("fp32", "bf16"):
                for attention in attentions if has_peer else []:
                    if attention != "sdpa" and precision == "fp32":
                        continue
                    common = dict(shape=shape, precision=precision, lengths=str(file), attention=attention)
                    for pairs in (32, 128):
                        bench.peer(kind="train", pairs=pairs, **common)
                    bench.peer(kind="embed", **common)
    for precision in ("fp32", "bf16"):
        bench.run("batch", "distiluse", precision, 64, FRACTION)
        if has_peer and on_gpu:
            bench.peer(kind="batch", shape="distiluse", precision=precision, lengths="", attention="sdpa", length=64, fraction=FRACTION)
    if not quick:
        for shape in ("minilm", "distiluse"):
            profile(bench, folder, shape, files["quora"])


def profile(bench, folder, shape, file):
    trace = folder / f"trace-{shape}.json"
    if "error" in bench.run("profile", shape, "bf16", 128, file, trace):
        return
    script = ROOT / "test" / "gpu" / "summarise_trace.py"
    done = subprocess.run([sys.executable, str(script), str(trace)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    summary = {"results": [json.loads(done.stdout)]} if done.returncode == 0 else {"error": [done.stderr.strip()]}
    bench.add({"who": "vectune", "command": ["profile-summary", shape], **summary})


def main():
    options = arguments()
    torch = libtorch()
    build(torch, options.build)
    environment = {**os.environ, "LD_LIBRARY_PATH": library_path(torch)}
    bench = Bench(options.build, environment, options.device)
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "device": bench.run("info"),
        "tests": run_tests(options.build, environment),
        "benchmark": None,
    }
    if not options.tests_only and "error" not in report["device"]:
        bench.results = []
        measure(bench, options.build, options.quick)
        report["benchmark"] = bench.results
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    failed = sum(group["failed"] or (1 if group["exit"] != 0 else 0) for group in report["tests"])
    skipped = sum(group["skipped"] for group in report["tests"])
    print(f"{options.out}: {failed} failed, {skipped} skipped" + (f" ({report['device']['error'][-1]})" if "error" in report["device"] else ""))
    return 1 if failed else 0


sys.exit(main())
