"""scripts/gpu-check: builds, tests and measures the engine on a GPU, and writes one JSON file. Standard library only."""

import argparse
import datetime
import hashlib
import importlib.util
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from roofline import draw
from summary import summarise

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "test" / "gpu"
# Each in a process of its own: the share of memory can be set once, and after the loss nothing works.
TEST_GROUPS = ["parity_", "memory_", "limit_", "loss_"]
FRACTION = 0.1  # of the GPU's memory, for the largest batch; both sides have the same
SHAPES = ["minilm", "distiluse"]


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/gpu-check")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--build", type=Path, default=ROOT / ".build" / "gpu")
    parser.add_argument("--no-build", action="store_true", help="the programs in the folder of --build are used as they are")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"))
    parser.add_argument("--quick", action="store_true", help="fewer texts")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--tests-only", action="store_true")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="nothing more is begun after so long")
    parser.add_argument("--go-on", action="store_true", help="with what --out has not yet")
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


def driver():
    """What the NVIDIA driver calls itself; null without one."""
    try:
        return Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").splitlines()[0].strip()
    except OSError:
        return None


def last_lines(text):
    return text.strip().splitlines()[-3:]


class Check:
    """Runs gpu_bench, the tests and the peer. What fails is a result too."""

    def __init__(self, folder, environment, device):
        self.folder, self.environment, self.device = folder, environment, device

    def bench(self, *commands):
        """One process of gpu_bench for some commands."""
        given = [str(word) for command in commands for word in ("+", *command)][1:]
        command = [str(self.folder / "gpu_bench"), self.device, *given]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        result = {
            "who": "vectune",
            "command": " ".join(given),
            "results": [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")],
        }
        if done.returncode != 0:
            result["error"] = last_lines(done.stderr)
        return result

    def tests(self, group):
        command = [str(self.folder / "vectune_gpu_tests"), group]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout, end="")
        # The last: a process that a test starts counts too.
        counts = re.findall(r"(\d+) passed, (\d+) failed, (\d+) skipped", done.stdout)
        passed, failed, skipped = map(int, counts[-1]) if counts else (0, 1, 0)
        return {
            "group": group.rstrip("_"), "exit": done.returncode, "passed": passed, "failed": failed, "skipped": skipped,
            "output": done.stdout.splitlines(),
        }

    def peer(self, **request):
        request["device"] = self.device.replace("cpu-tensors", "cpu")
        file = self.folder / "peer-request.json"
        file.write_text(json.dumps(request), encoding="utf-8")
        command = [sys.executable, str(HERE / "peer_sentence_transformers.py"), str(file)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        result = {
            "who": "sentence-transformers",
            "command": request,
            "results": [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")],
        }
        if done.returncode != 0:
            result["error"] = last_lines(done.stderr)
        return result

    def profile(self, shape, file):
        trace = self.folder / f"trace-{shape}-{file.stem}.json"
        result = self.bench(["profile", shape, "bf16", 128 if self.device.startswith("cuda") else 2, file, trace])
        if "error" in result:
            return result
        script = HERE / "summarise_trace.py"
        done = subprocess.run([sys.executable, str(script), str(trace)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            return {**result, "error": last_lines(done.stderr)}
        result["results"][0].update(json.loads(done.stdout), texts=file.stem)
        return result


def write_lengths(folder, count, long):
    """Lengths drawn from those of Quora's questions, and texts of `long` tokens: for each a file that gpu_bench and the peer read."""
    known = json.loads((HERE / "quora_lengths.json").read_text(encoding="utf-8"))["texts"]
    random.seed(1)
    quora = random.choices([int(length) for length in known], list(known.values()), k=count)
    files = {}
    for name, lengths in {"quora": quora, "long": [long] * max(4, count // 8)}.items():
        files[name] = folder / f"{name}.txt"
        files[name].write_text("\n".join(map(str, lengths)), encoding="utf-8")
    return files


def measurements(check, folder, quick):
    """All that is measured: a name and what to do for each, the most important first."""
    on_gpu = check.device.startswith("cuda")
    files = write_lengths(folder, 1024 if quick else 16384, 256) if on_gpu else write_lengths(folder, 8, 16)
    sizes = [32, 128] if on_gpu else [2, 4]
    has_peer = importlib.util.find_spec("sentence_transformers") is not None
    has_flash = importlib.util.find_spec("flash_attn") is not None or importlib.util.find_spec("kernels") is not None
    attentions = {"fp32": ["sdpa"], "bf16": ["sdpa"] + ["flash_attention_2"] * (on_gpu and has_flash)}
    todo = {"peak": lambda: check.bench(["peak"])}

    def throughput(shape, precision):
        works = [["train", shape, precision, pairs, file] for file in files.values() for pairs in sizes]
        works += [["embed", shape, precision, file] for file in files.values()]
        todo[f"throughput {shape} {precision}"] = lambda: check.bench(*works)

    def throughput_of_peer(shape, precision, attention):
        runs = [{"kind": "train", "pairs": pairs, "lengths": str(file)} for file in files.values() for pairs in sizes]
        runs += [{"kind": "embed", "lengths": str(file)} for file in files.values()]
        todo[f"throughput {shape} {precision} peer {attention}"] = lambda: check.peer(
            shape=shape, precision=precision, attention=attention, runs=runs
        )

    for precision in ("bf16", "fp32"):
        for shape in SHAPES:
            throughput(shape, precision)
            for attention in attentions[precision] if has_peer else []:
                throughput_of_peer(shape, precision, attention)
    length = 64 if on_gpu else 16
    for precision in ("bf16", "fp32"):
        todo[f"batch {precision}"] = lambda precision=precision: check.bench(["batch", "distiluse", precision, length, FRACTION])
        for attention in attentions[precision] if has_peer else []:
            todo[f"batch {precision} peer {attention}"] = lambda precision=precision, attention=attention: check.peer(
                shape="distiluse", precision=precision, attention=attention,
                runs=[{"kind": "batch", "length": length, "fraction": FRACTION}],
            )
    for shape in SHAPES:
        for file in files.values():
            todo[f"profile {shape} {file.stem}"] = lambda shape=shape, file=file: check.profile(shape, file)
    for precision in ("tf32", "fp16"):
        for shape in SHAPES:
            throughput(shape, precision)
    if not has_peer:
        todo["peer"] = lambda: {"who": "sentence-transformers", "error": ["it is not in this Python, so nothing is compared"]}
    return todo


def write(path, report):
    """Whole or not at all: who ends the script in the middle keeps what there was."""
    report["summary"] = summarise(report)
    aside = path.with_name(path.name + ".part")
    aside.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)


def begin(options, check):
    """The report to fill: that of --out where it is of the same programs and device and is to be gone on with."""
    programs = hashlib.sha256()
    for name in ("gpu_bench", "vectune_gpu_tests"):
        programs.update((options.build / name).read_bytes())
    device = check.bench(["info"])
    report = {
        "of": {"programs": programs.hexdigest(), "device": options.device, "quick": options.quick, "info": device["results"]},
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count(), "nvidia_driver": driver()},
        "device": device,
        "tests": [],
        "benchmark": {},
    }
    if not options.go_on or not options.out.exists():
        return report
    before = json.loads(options.out.read_text(encoding="utf-8"))
    if before.get("of") == report["of"]:
        return before
    sys.exit(f"{options.out} is of other programs, another device or another size. Leave out --go-on to begin anew.")


def main():
    options = arguments()
    start = time.monotonic()
    torch = libtorch()
    if not options.no_build:
        build(torch, options.build)
    if options.build_only:
        return 0
    check = Check(options.build, {**os.environ, "LD_LIBRARY_PATH": library_path(torch)}, options.device)
    report = begin(options, check)
    left = []

    def in_time(name):
        if time.monotonic() - start < options.seconds:
            return True
        left.append(name)
        return False

    for group in TEST_GROUPS:
        if all(done["group"] != group.rstrip("_") for done in report["tests"]) and in_time(f"tests {group.rstrip('_')}"):
            report["tests"].append(check.tests(group))
            write(options.out, report)
    if not options.tests_only and "error" not in report["device"]:
        for name, work in measurements(check, options.build, options.quick).items():
            done = report["benchmark"].get(name)
            if (done is None or "error" in done) and in_time(name):
                begun = time.monotonic()
                report["benchmark"][name] = {**work(), "seconds": round(time.monotonic() - begun, 1)}
                print(json.dumps({name: report["benchmark"][name]}), flush=True)
                write(options.out, report)
    report["left"] = left
    write(options.out, report)
    drawing = options.out.with_suffix(".svg")
    if report["summary"]["throughput"]:
        drawing.write_text(draw(report), encoding="utf-8")

    failed = sum(group["failed"] or (1 if group["exit"] != 0 else 0) for group in report["tests"])
    skipped = sum(group["skipped"] for group in report["tests"])
    why = f" ({report['device']['error'][-1]})" if "error" in report["device"] else ""
    print(f"{options.out}: {failed} failed, {skipped} skipped{why}")
    for line in report["summary"]["lines"]:
        print(line)
    if left:
        print(f"Left for the next run, with --go-on: {', '.join(left)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
