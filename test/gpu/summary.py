"""What gpu_check measured, set against the peer, the GPU's peaks and the goals."""

# Share of the measured bf16 GEMM peak that texts of 256 tokens are to reach, and how many times the peer Quora's texts.
SHARE_GOALS = {"minilm": 1 / 3, "distiluse": 1 / 2}
RATIO_GOAL = 3.0
WORKS = ("train", "embed")


def summarise(report):
    done = list(report["benchmark"].values())
    ours = [result for entry in done if entry["who"] == "vectune" for result in entry.get("results", [])]
    theirs = [result for entry in done if entry["who"] != "vectune" for result in entry.get("results", [])]
    peaks = {result["peak"]: result.get("tflops", result.get("gbytes_per_second")) for result in ours if "peak" in result}
    rows = throughput(ours, theirs, peaks)
    summary = {
        "peaks": peaks,
        "throughput": rows,
        "largest_batch": largest_batches(ours, theirs),
        "profiles": [profile(result) for result in ours if "busy_share" in result],
    }
    summary["lines"] = lines(summary)
    return summary


def best_of(results):
    return max(results, key=lambda result: result["tokens_per_second"], default=None)


def throughput(ours, theirs, peaks):
    rows = []
    for work in WORKS:
        for shape in SHARE_GOALS:
            for texts in ("quora", "long"):
                of = [[r for r in results if r.get(work) == shape and r.get("texts") == texts] for results in (ours, theirs)]
                peer = best_of(of[1])
                for precision in ("bf16", "fp16", "tf32", "fp32"):
                    mine = best_of(r for r in of[0] if r["precision"] == precision)
                    if mine is not None:
                        rows.append(row(work, shape, texts, mine, peer, peaks))
    return rows


def row(work, shape, texts, mine, peer, peaks):
    """One line of the table: our best batch in a precision, and the peer's best mode of all."""
    intensity = mine["flop_per_token"] / mine["bytes_per_token"]
    found = {
        "work": work, "shape": shape, "texts": texts, "precision": mine["precision"], "pairs": mine.get("pairs"),
        "tokens_per_second": mine["tokens_per_second"], "tflops": mine["tflops"], "flop_per_byte": intensity,
        "peer": None, "ratio": None, "share_of_peak": None, "roof_tflops": None, "goal": None, "reached": None,
    }
    if peer is not None:
        found["peer"] = {key: peer.get(key) for key in ("tokens_per_second", "precision", "attention", "unpadded", "pairs", "versions")}
        found["ratio"] = mine["tokens_per_second"] / peer["tokens_per_second"]
    peak = peaks.get(mine["precision"])
    if peak:
        found["share_of_peak"] = mine["tflops"] / peak
        if peaks.get("memory"):
            found["roof_tflops"] = min(peak, intensity * peaks["memory"] / 1e3)
    if mine["precision"] == "bf16":
        if texts == "quora":
            found["goal"] = f"{RATIO_GOAL:g} times the peer's best mode"
            found["reached"] = None if peer is None else found["ratio"] >= RATIO_GOAL
        else:
            found["goal"] = f"{SHARE_GOALS[shape]:.0%} of the bf16 peak"
            found["reached"] = None if not peak else found["share_of_peak"] >= SHARE_GOALS[shape]
    return found


def largest_batches(ours, theirs):
    rows = []
    for mine in (result for result in ours if "largest_batch" in result):
        same = [r for r in theirs if "largest_batch" in r and r["precision"] == mine["precision"]]
        peer = max(same, key=lambda result: result["largest_batch"], default=None)
        rows.append({
            **{key: mine[key] for key in ("shape", "precision", "length", "fraction", "parameters", "optimised_parameters")},
            **{key: mine[key] for key in ("largest_batch", "doubling")},
            "peer": None if peer is None else {key: peer[key] for key in ("largest_batch", "doubling", "attention", "versions")},
        })
    return rows


def profile(result):
    """What a step's time is spent on, and what limits it."""
    kinds = result["kinds"]
    most = max(kinds, key=kinds.get)
    idle = 1 - result["busy_share"]
    limit = "the processor, which does not keep the GPU busy" if idle > kinds[most] else most
    return {
        "shape": result["profile"], "texts": result["texts"], "precision": result["precision"], "busy_share": result["busy_share"],
        "largest_gap_ms": result["largest_gap_ms"], "waits": result["waits"], "kinds": kinds, "limit": limit,
    }


def lines(summary):
    """For people to read."""
    told = []
    for r in summary["throughput"]:
        parts = [f"{r['work']} {r['shape']} {r['texts']} {r['precision']}: {r['tokens_per_second']:,.0f} tokens/s"]
        if r["share_of_peak"] is not None:
            parts.append(f"{r['share_of_peak']:.0%} of the GEMM peak")
        if r["roof_tflops"] is not None:
            parts.append(f"{r['tflops'] / r['roof_tflops']:.0%} of the roof at {r['flop_per_byte']:.0f} flop/byte")
        if r["peer"] is not None:
            p = r["peer"]
            parts.append(
                f"{r['ratio']:.2f} times sentence-transformers {p['versions']['sentence-transformers']} "
                f"({p['precision']}, {p['attention']}{', unpadded' if p['unpadded'] else ''})"
            )
        if r["goal"] is not None:
            parts.append(f"goal {r['goal']}: {'not known' if r['reached'] is None else 'reached' if r['reached'] else 'MISSED'}")
        told.append(", ".join(parts))
    for r in summary["largest_batch"]:
        peer = "" if r["peer"] is None else f", sentence-transformers {r['peer']['largest_batch']:,}"
        told.append(
            f"largest batch of {r['shape']} ({r['parameters']:,} parameters, length {r['length']}, {r['fraction']:.0%} of the memory) "
            f"{r['precision']}: {r['largest_batch']:,}{peer}"
        )
    for r in summary["profiles"]:
        shares = ", ".join(f"{kind} {share:.0%}" for kind, share in sorted(r["kinds"].items(), key=lambda kind: -kind[1]))
        what = f"profile of {r['shape']} {r['texts']} {r['precision']}"
        told.append(f"{what}: busy {r['busy_share']:.0%} ({shares}); limited by {r['limit']}")
    return told
