"""The quality report: the results of all gates on one page.

Great Expectations' own Data Docs load styles and scripts from outside and can show values of cells. This page shows
only counts, names of columns and declared rules, and its policy header forbids a browser to load anything.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from cdp_pipelines.reports.page import render_page
from cdp_pipelines.reports.words import describe_counts, describe_expectation, join_words
from cdp_pipelines.schema import LAYERS
from cdp_pipelines.services.check_results import latest_results
from warehouse.atomic_file import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from expectations.result import GateResult, Outcome
    from warehouse.delta.lake import Lake

PAGE = Path("reports") / "quality.html"
STYLE = Path(__file__).with_name("quality.css")

_STATES = {"good": "passed", "warn": "warning", "bad": "held back"}
_DISC = '<circle cx="8" cy="8" r="7.2" fill="currentColor" opacity=".16"/>'
_STROKE = 'fill="none" stroke="currentColor" stroke-width="1.6"'
_SHAPES = {
    "good": f'{_DISC}<path d="m4.6 8.3 2.3 2.3 4.5-5" {_STROKE}/>',
    "warn": f'<path d="M8 1.4 15.2 14H1z" fill="currentColor" opacity=".2"/><path d="M8 6v4.2M8 11.4v1.4" {_STROKE}/>',
    "bad": f'{_DISC}<path d="m5.3 5.3 5.4 5.4m0-5.4-5.4 5.4" {_STROKE}/>',
}


def write_quality_page(lake: Lake) -> Path:
    """Write `reports/quality.html` of the lake from the latest result of every gate; its path."""
    results = latest_results(lake).values()
    newest = max((night for _, night in results), default=None)
    scope = f"the lake as of the night of {newest}" if newest else "a lake before its first night"
    page_path = lake.path / PAGE
    page_path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page_path, render_quality(results, title="Data quality", generated_for=scope))
    return page_path


def render_quality(results: Iterable[tuple[GateResult, date]], title: str, generated_for: str) -> str:
    """The page, as text. Equal results give an equal page, in whatever order they come."""
    ordered = sorted(results, key=lambda each: (_place(each[0].table), each[1]))
    gates = [gate for gate, _ in ordered]
    layers = list(dict.fromkeys(_layer(gate) for gate in gates))
    sections = "".join(
        _section(layer, [(gate, night) for gate, night in ordered if _layer(gate) == layer]) for layer in layers
    )
    main = f"""<header>
<h1>{escape(title)}</h1>
<p class="for">{escape(generated_for[:1].upper() + generated_for[1:])}</p>
{_verdict(gates)}
{_totals(gates)}
</header>
{_failures(gates)}
{sections}
<footer>A table that is held back keeps its last good content, and the tables that are built from it are not updated.
A warning stops nothing. This page has counts, names of columns and declared rules; it never shows a value.</footer>"""
    return render_page(title, f"<main>\n{main}\n</main>", (STYLE,))


def _layer(gate: GateResult) -> str:
    return gate.table.partition("/")[0]


def _place(table: str) -> tuple[int, str]:
    layer = table.partition("/")[0]
    return (LAYERS.index(layer) if layer in LAYERS else len(LAYERS), table)


def _state(gate: GateResult) -> str:
    return "bad" if not gate.passed else "warn" if gate.failures else "good"


def _state_of(outcome: Outcome) -> str:
    return "good" if outcome.passed else "warn" if outcome.severity == "warning" else "bad"


def draw_mark(state: str) -> str:
    """A picture of a state: good, warn or bad."""
    return f'<svg viewBox="0 0 16 16" role="img" aria-label="{_STATES[state]}">{_SHAPES[state]}</svg>'


def _tables(n: int) -> str:
    return f"{n:,} table" if n == 1 else f"{n:,} tables"


def _verdict(gates: list[GateResult]) -> str:
    bad_count = sum(not gate.passed for gate in gates)
    warned = [each for gate in gates for each in gate.failures if each.severity == "warning"]
    if not gates:
        state, verdict, more = "warn", "Nothing was checked", "No gate has a result."
    elif bad_count:
        state, verdict = "bad", f"{bad_count} of {_tables(len(gates))} {'was' if bad_count == 1 else 'were'} held back"
        more = ", ".join(gate.table for gate in gates if not gate.passed)
    else:
        state = "warn" if warned else "good"
        verdict = f"All {_tables(len(gates))} passed" if len(gates) > 1 else "The one table passed"
        more = "Every expectation holds."
    if warned:
        more = f"{more if bad_count else 'Nothing critical failed'}; {len(warned)} warning{'s' * (len(warned) > 1)}"
    return f'<div class="verdict {state}">{draw_mark(state)}<div><strong>{verdict}</strong>{escape(more)}</div></div>'


def _totals(gates: list[GateResult]) -> str:
    passed_count, expectation_count = (
        sum(gate.passed_count for gate in gates),
        sum(gate.expectation_count for gate in gates),
    )
    shown = {
        "Tables passed": f"{sum(gate.passed for gate in gates)} of {len(gates)}",
        "Expectations that hold": f"{passed_count:,} of {expectation_count:,}",
        "Rows checked": f"{sum(gate.row_count for gate in gates):,}",
        "Seconds": f"{sum(gate.seconds for gate in gates):.1f}",
    }
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown.items()) + "</dl>"


def _failures(gates: list[GateResult]) -> str:
    """Every failed expectation, critical before warnings, in words."""
    failed = [(gate, each) for gate in gates for each in gate.results if not each.passed]
    items = "".join(
        f'<li class="{_state_of(each)}"><p class="what">{escape(gate.table)}: {describe_expectation(each)}</p>'
        f'<p><span class="{_state_of(each)}-text">{describe_counts(each)}.</span> '
        f'<span class="quiet">{escape(each.why)}</span></p></li>'
        for gate, each in sorted(failed, key=lambda pair: pair[1].severity)
    )
    return f'<section><h2>Failed expectations</h2><ul class="failures">{items}</ul></section>' if items else ""


def _section(layer: str, results: list[tuple[GateResult, date]]) -> str:
    head = (
        '<div class="head" aria-hidden="true"><span></span><span>Table</span><span>Verdict</span>'
        '<span class="number">Rows</span><span>Expectations</span><span class="number">Seconds</span>'
        '<span class="number">Night</span><span></span></div>'
    )
    rows = "".join(_gate(gate, night) for gate, night in results)
    return f'<section><h2>{escape(layer)}</h2><div class="tables">{head}{rows}</div></section>'


def _gate(gate: GateResult, night: date) -> str:
    state = _state(gate)
    outcomes = "".join(
        f'<tr><td class="{_state_of(each)}">{draw_mark(_state_of(each))}</td>'
        f'<td>{describe_expectation(each)}<div class="why">{escape(each.why)}</div></td>'
        f"<td>{describe_counts(each)}</td></tr>"
        for each in _failed_first(gate.results)
    )
    return (
        f'<details{"" if gate.passed else " open"}><summary class="{state}">{draw_mark(state)}'
        f'<span class="name">{escape(gate.table.partition("/")[2])}</span><span class="word">{_STATES[state]}</span>'
        f'<span class="number rows">{gate.row_count:,}<span class="unit"> rows</span></span>'
        f'<span class="meter">{_bar(gate)}<span>{gate.passed_count}/{gate.expectation_count}'
        '<span class="unit"> hold</span></span></span>'
        f'<span class="number seconds">{gate.seconds:.2f}</span><span class="number night">{night}</span></summary>'
        f'<div class="inside"><p>{escape(gate.description)}</p><table>{outcomes}</table></div></details>'
    )


def _failed_first(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return join_words(sorted(outcomes, key=lambda each: list(_STATES).index(_state_of(each)), reverse=True))


def _bar(gate: GateResult) -> str:
    """Shares of expectations that hold, warn and fail, as one bar."""
    parts, start = [], 0.0
    for state in _STATES:
        width = 100 * sum(_state_of(each) == state for each in gate.results) / max(gate.expectation_count, 1)
        if width:
            parts.append(f'<rect x="{start:.2f}" width="{width:.2f}" height="8" style="fill:var(--{state}-bar)"/>')
        start += width
    return f'<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'
