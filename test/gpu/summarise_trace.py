"""Kernel times and idle gaps of a trace that gpu_bench wrote: python summarise_trace.py TRACE.json

Prints one JSON object: the span of the kernels, how long the GPU was busy in it and on what, its gaps, and the kernels that
took most.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

# The first that a kernel's name has says what it is; on CPU tensors, which have no kernels, it is the operator's name.
KINDS = [
    ("copies", r"memcpy|memset|aten::copy_|aten::_to_copy"),
    ("attention", r"flash|fmha|attention|softmax"),
    ("products", r"gemm|cutlass|xmma|nvjet|cublas|splitk|aten::(addmm|mm|bmm|matmul)"),
    ("optimiser", r"adam|multi_tensor|foreach"),
    ("layer norm", r"layer_?norm|gammabeta"),
    ("dropout", r"dropout|philox"),
    ("activation", r"gelu|relu|tanh"),
    ("embeddings", r"index|gather|scatter|segment"),
]


def kind_of(name):
    return next((kind for kind, pattern in KINDS if re.search(pattern, name, re.IGNORECASE)), "other elementwise work and sums")


events = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["traceEvents"]
for category in ({"kernel", "gpu_memcpy", "gpu_memset"}, {"cpu_op"}):
    work = sorted(
        ((event["ts"], event["ts"] + event["dur"], event["name"]) for event in events if event.get("cat") in category and "dur" in event),
        key=lambda piece: (piece[0], -piece[1]),
    )
    if work:
        break
if not work:
    sys.exit("the trace has neither kernels nor operators")

busy, gaps, end = 0.0, [], work[0][0]
by_name, by_kind = defaultdict(lambda: [0, 0.0]), defaultdict(float)
for start, stop, name in work:
    if start > end:
        gaps.append(start - end)
    alone = max(0.0, stop - max(start, end))  # what runs inside another, or beside it, is counted once
    busy += alone
    by_kind[kind_of(name)] += alone
    end = max(end, stop)
    by_name[name][0] += 1
    by_name[name][1] += stop - start

# Calls in which the processor waits for the GPU. A step has none; the trace's own end has one or two.
waits = defaultdict(int)
for event in events:
    if event.get("cat") in {"cuda_runtime", "cuda_driver"} and re.search(r"Synchronize$|^cudaMemcpy$", event["name"]):
        waits[event["name"]] += 1

span = end - work[0][0]
most = sorted(by_name.items(), key=lambda item: -item[1][1])[:25]
print(
    json.dumps(
        {
            "category": sorted(category),
            "span_ms": span / 1e3,
            "busy_ms": busy / 1e3,
            "busy_share": busy / span if span else 1.0,
            "kinds": {kind: spent / span if span else 0.0 for kind, spent in sorted(by_kind.items(), key=lambda item: -item[1])},
            "waits": dict(waits),
            "launches": len(work),
            "gaps": len(gaps),
            "gaps_ms": sum(gaps) / 1e3,
            "largest_gap_ms": max(gaps, default=0.0) / 1e3,
            "kernels": [{"name": name[:160], "times": times, "ms": total / 1e3} for name, (times, total) in most],
        }
    )
)
