"""Kernel times and idle gaps of a trace that gpu_bench wrote: python summarise_trace.py TRACE.json

Prints one JSON object: the span of the kernels, how long the GPU was busy in it, its gaps, and the kernels that took most.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

events = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["traceEvents"]
# On CPU tensors, which have no kernels, the operators stand for them.
for category in ({"kernel", "gpu_memcpy", "gpu_memset"}, {"cpu_op"}):
    work = sorted(
        (event["ts"], event["ts"] + event["dur"], event["name"])
        for event in events
        if event.get("cat") in category and "dur" in event
    )
    if work:
        break
if not work:
    sys.exit("the trace has neither kernels nor operators")

busy, gaps, end = 0.0, [], work[0][0]
by_name = defaultdict(lambda: [0, 0.0])
for start, stop, name in work:
    if start > end:
        gaps.append(start - end)
    busy += max(0.0, stop - max(start, end))
    end = max(end, stop)
    by_name[name][0] += 1
    by_name[name][1] += stop - start

span = end - work[0][0]
most = sorted(by_name.items(), key=lambda item: -item[1][1])[:25]
print(
    json.dumps(
        {
            "category": sorted(category),
            "span_ms": span / 1e3,
            "busy_ms": busy / 1e3,
            "busy_share": busy / span if span else 1.0,
            "launches": len(work),
            "gaps": len(gaps),
            "gaps_ms": sum(gaps) / 1e3,
            "largest_gap_ms": max(gaps, default=0.0) / 1e3,
            "kernels": [{"name": name[:160], "times": times, "ms": total / 1e3} for name, (times, total) in most],
        }
    )
)
