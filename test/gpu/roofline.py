"""Draws what was measured under the roofs of the GPU's GEMM peaks and its memory, as SVG."""

import math

WIDTH, HEIGHT = 820, 520
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 50, 60
COLOURS = {"bf16": "#c0532b", "fp16": "#8a4fa0", "tf32": "#2f8f5b", "fp32": "#1b6ca8"}


def draw(report):
    summary = report["summary"]
    peaks, rows = summary["peaks"], summary["throughput"]
    roofs = {name: peaks[name] for name in COLOURS if peaks.get(name)}
    memory = peaks.get("memory")
    rates = [row["tflops"] for row in rows] + list(roofs.values())
    intensities = [row["flop_per_byte"] for row in rows] + [1e3 * peak / memory for peak in roofs.values() if memory]
    low_x, high_x = decade(intensities)
    low_y, high_y = decade(rates)

    def x(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(value) - low_x) / (high_x - low_x)

    def y(value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(value) - low_y) / (high_y - low_y)

    def line(points, style):
        at = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        return f'<polyline fill="none" points="{at}" {style}/>'

    def text(left, top, content, style=""):
        return f'<text x="{left:.1f}" y="{top:.1f}" {style}>{content}</text>'

    parts = [text(LEFT, 24, title(report), 'font-weight="bold"')]
    for power in range(low_x, high_x + 1):
        parts.append(line([(10**power, 10**low_y), (10**power, 10**high_y)], 'stroke="#ddd"'))
        parts.append(text(x(10**power), HEIGHT - BOTTOM + 18, f"{10.0**power:g}", 'text-anchor="middle"'))
    for power in range(low_y, high_y + 1):
        parts.append(line([(10**low_x, 10**power), (10**high_x, 10**power)], 'stroke="#ddd"'))
        parts.append(text(LEFT - 8, y(10**power) + 4, f"{10.0**power:g}", 'text-anchor="end"'))
    below = "floating-point operations for each byte that operators move"
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, below, 'text-anchor="middle"'))
    parts.append(text(16, TOP - 12, "TFLOP/s"))
    for name, peak in roofs.items():
        style = f'stroke="{COLOURS[name]}" stroke-width="1.5"'
        ridge = min(10**high_x, max(10**low_x, 1e3 * peak / memory)) if memory else 10**low_x
        start = max(10**low_x, 10**low_y * 1e3 / memory) if memory else 10**low_x
        slope = [(start, start * memory / 1e3)] if memory and start < ridge else []
        parts.append(line([*slope, (ridge, peak), (10**high_x, peak)], style))
        parts.append(text(WIDTH - RIGHT + 6, y(peak) + 4, f"{name} GEMM {peak:.3g} TFLOP/s", f'fill="{COLOURS[name]}"'))
    for number, row in enumerate(rows, 1):
        colour = COLOURS[row["precision"]]
        fill = colour if row["work"] == "train" else "white"
        mark = f'fill="{fill}" stroke="{colour}" stroke-width="1.5"'
        parts.append(f'<circle cx="{x(row["flop_per_byte"]):.1f}" cy="{y(row["tflops"]):.1f}" r="4" {mark}/>')
        parts.append(text(x(row["flop_per_byte"]) + 6, y(row["tflops"]) + 3, number, f'font-size="9" fill="{colour}"'))
        if number <= (HEIGHT - TOP - BOTTOM) // 12 - 4:
            key = f"{number} {row['work']} {row['shape']} {row['texts']} {row['precision']}"
            parts.append(text(WIDTH - RIGHT + 80, HEIGHT - BOTTOM - 12 * (len(rows) - number), key, f'font-size="10" fill="{colour}"'))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>' + "\n".join(parts) + "</svg>\n"
    )


def title(report):
    for result in report["device"]["results"]:
        memory = report["summary"]["peaks"].get("memory")
        name = result["gpu"] or result["device"]
        return f"Roofline: {name}, LibTorch {result['libtorch']}" + (f", memory {memory:,.0f} GB/s" if memory else "")
    return "Roofline"


def decade(values):
    """Whole powers of ten around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)
