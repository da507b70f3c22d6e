# SPDX-License-Identifier: MIT
"""Two kinds of pictures as SVG text, without a library: bars and lines.

Each picture brings its own background, light or dark as the reader's system asks for, so that it
is readable on any page.
"""

import html
import math

WIDTH = 760
LIGHT = {
    "card": "#ffffff",
    "edge": "#d8dee6",
    "ink": "#1f2933",
    "faint": "#5c6773",
    "grid": "#e6eaef",
    "axis": "#b6bfca",
    "ours": ("#1d5fd1", "#8db4f0"),
    "other": ("#8a94a1", "#c6cdd6"),
    "lru": ("#77808c", "#77808c"),
    "arc": ("#c76a00", "#c76a00"),
    "s3": ("#0c8a5f", "#0c8a5f"),
}
DARK = {
    "card": "#14191f",
    "edge": "#2f3842",
    "ink": "#e4e9ef",
    "faint": "#9aa6b3",
    "grid": "#262e37",
    "axis": "#4a5562",
    "ours": ("#6ea8ff", "#34588f"),
    "other": ("#8d98a6", "#47515d"),
    "lru": ("#9aa6b3", "#9aa6b3"),
    "arc": ("#f0a24a", "#f0a24a"),
    "s3": ("#43c596", "#43c596"),
}
SHAPES = """
  text { font-family: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "DejaVu Sans",
           sans-serif;
         font-size: 13px; }
  .title { font-size: 17px; font-weight: 600; }
  .small { font-size: 12px; }
  .strong, .name { font-weight: 600; }
  .gap { stroke-width: 3; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
  .ours.line { stroke-width: 3; }
  .lru.line { stroke-dasharray: 5 4; }"""


def colours(palette):
    """The rules of one palette. No custom properties: not every renderer knows them."""
    rules = [
        f".card {{ fill: {palette['card']}; stroke: {palette['edge']}; }}",
        f"text {{ fill: {palette['ink']}; }}",
        f".note, .small {{ fill: {palette['faint']}; }}",
        f".grid {{ stroke: {palette['grid']}; }}",
        f".axis, .lead {{ stroke: {palette['axis']}; }}",
        f".gap {{ stroke: {palette['card']}; }}",
    ]
    for name in ("ours", "other", "lru", "arc", "s3"):
        strong, pale = palette[name]
        rules += [
            f".{name}.full, .{name}.name {{ fill: {strong}; }}",
            f".{name}.pale {{ fill: {pale}; }}",
            f".{name}.line {{ stroke: {strong}; }}",
        ]
    return "\n  ".join(rules)


STYLE = (
    f"{SHAPES}\n  {colours(LIGHT)}\n"
    f"  @media (prefers-color-scheme: dark) {{\n  {colours(DARK)}\n  }}\n"
)


def picture(height, title, parts):
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-label="{html.escape(title)}">',
            f"<style>{STYLE}</style>",
            f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def text(x, y, words, style="", anchor="start"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
        f"{html.escape(words)}</text>"
    )


def line(x1, y1, x2, y2, style):
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def step_of(span, count):
    """The distance of about `count` round marks over `span`."""
    rough = span / count
    unit = 10 ** math.floor(math.log10(rough))
    return next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)


def bars(title, note, rows, names):
    """`rows`: (label, is it ours, one number or None for each of the two `names`)."""
    left, right, top, pitch, thick = 236, 64, 96, 47, 15
    height = top + pitch * len(rows) + 40
    longest = sorted(max(filter(None, values)) for _, _, values in rows)
    # One that is far longer than the others is cut, visibly, or the others would be dots.
    end = longest[-1] if longest[-1] < 2 * longest[-2] else 1.12 * longest[-2]
    scale = (WIDTH - left - right) / end
    bottom = top + pitch * len(rows) - 8
    parts = [text(24, 34, title, "title"), text(24, 56, note, "note")]
    for n, (name, style) in enumerate(zip(names, ("full", "pale"))):
        x = left + 110 * n
        parts += [
            f'<rect class="other {style}" x="{x}" y="70" width="12" height="12" rx="2"/>',
            text(x + 18, 81, name, "small"),
        ]
    step = step_of(end, 5)
    for n in range(int(end / step) + 1):
        x = left + n * step * scale
        parts += [
            line(x, top - 4, x, bottom, "axis" if n == 0 else "grid"),
            text(x, bottom + 18, f"{n * step:g}", "small", "middle"),
        ]
    for row, (label, ours, values) in enumerate(rows):
        y = top + pitch * row
        given = [(v, style) for v, style in zip(values, ("full", "pale")) if v]
        block = thick * len(given) + 2 * (len(given) - 1)
        first = y + (pitch - 12 - block) / 2
        head, _, tail = label.partition(", ")
        lift = 4 if not tail else -3
        parts.append(
            text(left - 12, first + block / 2 + lift, head, "strong" if ours else "", "end")
        )
        if tail:
            parts.append(text(left - 12, first + block / 2 + 13, tail, "small", "end"))
        whose = "ours" if ours else "other"
        for n, (value, style) in enumerate(given):
            at = first + n * (thick + 2)
            long = min(value, end) * scale
            parts.append(
                f'<rect class="{whose} {style}" x="{left}" y="{at:.1f}" '
                f'width="{long:.1f}" height="{thick}" rx="2"/>'
            )
            if value > end:
                parts += [
                    line(left + long - 30 + d, at + thick + 2, left + long - 24 + d, at - 2, "gap")
                    for d in (0, 7)
                ]
            parts.append(
                text(left + long + 7, at + 12, f"{value:.0f}", "strong" if ours else "small")
            )
    return picture(height, title, parts)


def spread(places, distance, low, high):
    """Moves labels apart until they are `distance` from each other, as little as can be."""
    order = sorted(range(len(places)), key=lambda n: places[n])
    moved = list(places)
    for _ in range(200):
        for a, b in zip(order, order[1:]):
            lack = distance - (moved[b] - moved[a])
            if lack > 0:
                moved[a] -= lack / 2
                moved[b] += lack / 2
        for n in order:
            moved[n] = min(max(moved[n], low), high)
    return moved


def lines(title, note, marks, series):
    """`marks`: (share of the ids in percent, entries). `series`: (name, style, percents)."""
    left, right, top, height = 60, 108, 84, 420
    bottom = height - 62
    values = [v for _, _, points in series for v in points]
    low, high = min(values), max(values)
    # At least ten points high, or differences that nobody would notice look large.
    air = max(0.3, (10 - (high - low)) / 2)
    step = step_of(high - low + 2 * air, 5)
    low = max(0, step * math.floor((low - air) / step))
    high = min(100, step * math.ceil((high + air) / step))

    def y_of(value):
        return bottom - (value - low) / (high - low) * (bottom - top)

    logs = [math.log(share) for share, _ in marks]

    def x_of(n):
        return left + 14 + (logs[n] - logs[0]) / (logs[-1] - logs[0]) * (WIDTH - left - right - 28)

    parts = [text(24, 34, title, "title"), text(24, 56, note, "note")]
    for n in range(round((high - low) / step) + 1):
        value = low + n * step
        parts += [
            line(left, y_of(value), WIDTH - right, y_of(value), "axis" if n == 0 else "grid"),
            text(left - 8, y_of(value) + 4, f"{value:g} %", "small", "end"),
        ]
    for n, (share, entries) in enumerate(marks):
        parts += [
            line(x_of(n), bottom, x_of(n), bottom + 5, "axis"),
            text(x_of(n), bottom + 20, f"{share:g} %", "small", "middle"),
            text(x_of(n), bottom + 36, f"{entries:,}", "small", "middle"),
        ]
    parts.append(text(WIDTH - right + 24, bottom + 20, "of the ids", "small"))
    parts.append(text(WIDTH - right + 24, bottom + 36, "entries", "small"))
    last = len(marks) - 1
    ends = [y_of(points[-1]) for _, _, points in series]
    for (name, style, points), end, label in reversed(
        list(zip(series, ends, spread(ends, 17, top, bottom - 4)))
    ):
        path = " ".join(f"{x_of(n):.1f},{y_of(v):.1f}" for n, v in enumerate(points))
        parts.append(f'<polyline class="{style} line" points="{path}"/>')
        parts += [
            f'<circle class="{style} full" cx="{x_of(n):.1f}" cy="{y_of(v):.1f}" '
            f'r="{4 if style == "ours" else 3}"/>'
            for n, v in enumerate(points)
        ]
        parts += [
            line(x_of(last) + 6, end, WIDTH - right + 6, label, "lead"),
            text(WIDTH - right + 10, label + 4, name, f"{style} name"),
        ]
    return picture(height, title, parts)
