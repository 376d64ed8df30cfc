"""The lineage of a mart as a picture: raw fields at the left, its columns at the right, every step between them.

Here belongs the drawing. The paths come from `cdp_pipelines.lineage`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from cdp_pipelines.lineage import LineagePath

ROW, HEAD, GAP, PAD = 18, 24, 12, 8
WIDTHS = (250, 210, 190, 230)
BETWEEN = 56
TITLES = ("Raw fields, by channel", "Standardised", "Golden record", "Mart")


@dataclass
class _Box:
    """A table in one band, with those of its columns that the picture needs."""

    name: str
    columns: list[str] = field(default_factory=list)
    top: float = 0.0

    @property
    def height(self) -> float:
        return HEAD + ROW * len(self.columns) + PAD / 2

    def row(self, column: str) -> float:
        return self.top + HEAD + ROW * (self.columns.index(column) + 0.5)


def draw_lineage(mart: str, paths: Mapping[str, Iterable[LineagePath]]) -> str:
    """SVG of the paths of a mart's columns, in their order; steps within one band are drawn as one."""
    edges, ends = _list_edges(mart, paths)
    bands = _arrange_boxes(edges, mart, list(paths))
    left = [sum(WIDTHS[:band]) + BETWEEN * band for band in range(len(WIDTHS))]
    height = max(box.top + box.height for boxes in bands for box in boxes.values()) + GAP
    width = sum(WIDTHS) + BETWEEN * (len(WIDTHS) - 1)
    lines = "".join(
        _line(
            left[at] + WIDTHS[at],
            bands[at][_table(one)].row(one),
            left[to],
            bands[to][_table(other)].row(other),
            is_exempt=one in ends and ends[one] is None,
        )
        for (at, one), (to, other) in edges
    )
    boxes = "".join(
        _box(box, left[band], WIDTHS[band], ends) for band, boxes in enumerate(bands) for box in boxes.values()
    )
    titles = "".join(
        f'<text class="t" x="{left[band]}" y="14">{title}</text>' for band, title in enumerate(TITLES) if bands[band]
    )
    raw_count = sum(category is not None for category in ends.values())
    return (
        f'<svg class="lineage" viewBox="0 0 {width} {height:.0f}" role="img" '
        f'aria-label="{escape(mart)}: {len(list(paths))} columns from {raw_count} raw fields; the same as text below">'
        f"{titles}{lines}{boxes}</svg>"
    )


def _table(column: str) -> str:
    return column.rpartition(".")[0]


def _band(column: str) -> int:
    return 1 if column.startswith("standardised/") else 2


Node = tuple[int, str]


def _list_edges(
    mart: str, paths: Mapping[str, Iterable[LineagePath]]
) -> tuple[list[tuple[Node, Node]], dict[str, str | None]]:
    """Steps from left to right, each once, and the ends with their category, None for an exempt end."""
    edges: dict[tuple[Node, Node], None] = {}
    ends: dict[str, str | None] = {}
    for column, ways in paths.items():
        for path in ways:
            ends[path.end] = path.category
            steps: list[Node] = [(3, f"{mart}.{column}")]
            for each in path.columns[1:-1]:
                plain = each.partition("[")[0]
                if _band(plain) < steps[-1][0]:
                    steps.append((_band(plain), plain))
            steps.append((0, path.end))
            edges |= dict.fromkeys((after, before) for before, after in pairwise(steps))
    return list(edges), ends


def _arrange_boxes(edges: list[tuple[Node, Node]], mart: str, columns: list[str]) -> list[dict[str, _Box]]:
    """Boxes by table for each band from left to right, each near to its targets, so that few lines cross."""
    bands: list[dict[str, _Box]] = [{} for _ in WIDTHS]
    bands[3] = {mart: _Box(mart, [f"{mart}.{column}" for column in columns], 24)}
    for band in (2, 1, 0):
        targets: dict[str, list[float]] = {}
        for (at, one), (to, other) in edges:
            if at == band:
                targets.setdefault(one, []).append(bands[to][_table(other)].row(other))
        mean = {name: sum(rows) / len(rows) for name, rows in targets.items()}
        grouped: dict[str, list[str]] = {}
        for name in sorted(mean, key=lambda each: (mean[each], each)):
            grouped.setdefault(_table(name), []).append(name)
        top = 24.0
        # Exempt columns come last, so that their lines pass behind no box.
        place = {
            table: (not band and not table.startswith("raw/"), sum(mean[each] for each in names) / len(names), table)
            for table, names in grouped.items()
        }
        for table in sorted(grouped, key=place.__getitem__):
            box = _Box(table, grouped[table], top)
            bands[band][table] = box
            top += box.height + GAP
    return bands


def _line(x: float, y: float, to_x: float, to_y: float, *, is_exempt: bool) -> str:
    bend = (to_x - x) / 2
    kind = ' class="x"' if is_exempt else ""
    return (
        f'<path{kind} d="M{x:.0f} {y:.0f}C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"/>'
    )


def _box(box: _Box, left: float, width: float, ends: Mapping[str, str | None]) -> str:
    rows = ""
    for column in box.columns:
        base = f"{box.row(column) + 4:.0f}"
        rows += f'<text x="{left + PAD}" y="{base}">{escape(column.rpartition(".")[2])}</text>'
        if column in ends:
            category = escape(ends[column] or "exempt")
            rows += f'<text class="c" x="{left + width - PAD}" y="{base}">{category}</text>'
    return (
        f'<rect x="{left}" y="{box.top:.0f}" width="{width}" height="{box.height:.0f}" rx="4"/>'
        f'<text class="h" x="{left + PAD}" y="{box.top + 16:.0f}">{escape(box.name)}</text>{rows}'
    )
