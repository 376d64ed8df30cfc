"""Weights that add up, as a picture: each bar begins where the one before ended.

Here belongs the drawing. The steps come from a service, as rows with the keys comparison, level, weight and total.
"""

from collections.abc import Sequence
from html import escape

from cdp_pipelines.services.document import Row, make_label

# Pixels: the whole width, the part of it for names, the part for numbers, and the height of a step.
WIDTH, NAME_WIDTH, NUMBER_WIDTH, STEP_HEIGHT = 720, 250, 70, 26


def draw_waterfall(rows: Sequence[Row]) -> str:
    """SVG of the steps, green where a step adds and red where it takes off; the table below says the same."""
    steps = [
        (f"{row['comparison']}: {row['level']}".removesuffix(": "), float(str(row["weight"])), float(str(row["total"])))
        for row in rows
    ]
    ends = [0.0, *(total for _, _, total in steps)]
    low, high = min(ends), max(ends)
    scale = (WIDTH - NAME_WIDTH - NUMBER_WIDTH) / ((high - low) or 1.0)

    def place(value: float) -> float:
        return NAME_WIDTH + (value - low) * scale

    drawn = []
    for index, (start, (name, weight, total)) in enumerate(zip(ends, steps, strict=False)):
        top = index * STEP_HEIGHT
        kind = "adds" if weight > 0 else "takes"
        bar = (
            f'<rect class="{kind}" x="{place(min(start, total)):.1f}" y="{top + 4}" '
            f'width="{max(1.0, abs(weight) * scale):.1f}" height="{STEP_HEIGHT - 8}"/>'
        )
        drawn += [_text(0, top, make_label(name)), bar, _text(place(max(start, total)) + 6, top, f"{weight:+.1f}")]
    height = len(steps) * STEP_HEIGHT
    zero = f'<line x1="{place(0):.1f}" x2="{place(0):.1f}" y1="0" y2="{height}"/>'
    return (
        f'<svg class="waterfall" viewBox="0 0 {WIDTH} {height + 4}" role="img" '
        f'aria-label="Match weight, step by step; the table below has the same numbers">{zero}{"".join(drawn)}</svg>'
    )


def _text(left: float, top: float, text: str) -> str:
    return f'<text x="{left:.1f}" y="{top + 17}">{escape(text)}</text>'
