"""The catalogue as one page for a screen, a phone and paper, with a search.

Here belongs the HTML of the catalogue. The facts come from `cdp_pipelines.services.catalogue`.
"""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from cdp_pipelines.lineage import LineagePath, StorageLocation
from cdp_pipelines.reports.catalogue.drawing import draw_lineage
from cdp_pipelines.reports.page import render_page
from cdp_pipelines.reports.quality import STYLE, draw_mark
from cdp_pipelines.reports.words import describe_expectation
from cdp_pipelines.schema import LAYERS
from cdp_pipelines.services.catalogue import ColumnFacts, Facts, TableFacts

OWN_STYLE = Path(__file__).with_name("catalogue.css")
SCRIPT = Path(__file__).with_name("catalogue.js")
UNKNOWN, UNKNOWN_REGION = "not declared", "region not declared"
KINDS = {
    "collected": "Collected in",
    "kept": "Kept in",
    "served": "Served from",
    "received": "Received by",
}
UNITS = {"collected": "fields", "kept": "tables", "served": "marts", "received": "marts"}


def render_catalogue(facts: Facts) -> str:
    """The page, as text; equal facts give an equal page."""
    tables = sorted(facts.tables, key=lambda each: (_layer_order(each.table.name), each.table.name))
    layers = list(dict.fromkeys(_layer(each) for each in tables))
    categories = list(dict.fromkeys(each.category for each in facts.places))
    main = f"""<header>
<h1>Data catalogue</h1>
<p class="for">{escape(facts.controller)}; {_as_of(facts)}</p>
{_totals(facts, categories)}
</header>
<section id="where"><h2>Where each category of data is stored</h2>
<p class="quiet">Fields, tables or marts with each category, by system and region. A value that derives from a
category belongs to it. Open a category for the names.</p>
{_map(facts.places, categories)}
{"".join(_category(category, facts.places) for category in categories)}
</section>
<section id="tables"><h2>Tables and columns</h2>
{_search(layers, categories)}
{"".join(_section(layer, [each for each in tables if _layer(each) == layer], facts) for layer in layers)}
</section>
<footer>This page comes from the declarations, the lineage and the logs of the tables. It has names, descriptions and
counts; it never shows a value of a row.</footer>"""
    return render_page(
        f"Data catalogue of {facts.controller}",
        f"<main>\n{main}\n</main>",
        (STYLE, OWN_STYLE),
        SCRIPT.read_text(encoding="utf-8"),
    )


def _layer(each: TableFacts) -> str:
    return each.table.name.partition("/")[0]


def _layer_order(name: str) -> int:
    layer = name.partition("/")[0]
    return LAYERS.index(layer) if layer in LAYERS else len(LAYERS)


def _as_of(facts: Facts) -> str:
    return f"the lake as of the night of {facts.night}" if facts.night else "the lake is still empty"


def _totals(facts: Facts, categories: Sequence[str]) -> str:
    columns = [column for table in facts.tables for column in table.columns]
    shown = {
        "Tables": len(facts.tables),
        "Columns": len(columns),
        "Personal columns": sum(each.column.is_personal for each in columns),
        "Categories of data": len(categories),
    }
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{n:,}</dd></div>" for name, n in shown.items()) + "</dl>"


def _map(places: Sequence[StorageLocation], categories: Sequence[str]) -> str:
    """Systems down, categories across; a cell counts the fields, tables or marts with the category there."""
    found: dict[tuple[str, str, str | None, str], StorageLocation] = {
        (each.kind, each.system, each.region, each.category): each for each in places
    }
    head = "".join(f'<th scope="col">{_words(each)}</th>' for each in categories)
    body = ""
    for kind, title in KINDS.items():
        systems = sorted({(each.region or "", each.system) for each in places if each.kind == kind})
        span = len(categories) + 2
        body += f'<tr class="kind"><th scope="colgroup" colspan="{span}">{title} ({UNITS[kind]})</th></tr>'
        for region, system in systems:
            counts = {each: _count(found.get((kind, system, region or None, each))) for each in categories}
            cells = "".join(f'<td data-name="{_words(each)}">{count}</td>' for each, count in counts.items())
            where = f'<td class="region">{escape(region or UNKNOWN)}</td>'
            body += f'<tr><th scope="row">{escape(system)}</th>{where}{cells}</tr>'
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Categories by system and region"><table class="map">'
        f'<thead><tr><th scope="col">System</th><th scope="col">Region</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _words(name: str) -> str:
    return escape(name.replace("_", " "))


def _count(place: StorageLocation | None) -> str:
    return f"{len(place.holds)}" if place else ""


def _category(category: str, places: Iterable[StorageLocation]) -> str:
    rows = "".join(
        f"<tr><td>{KINDS[each.kind]} <b>{escape(each.system)}</b>, {escape(each.region or UNKNOWN_REGION)}</td>"
        f"<td>{', '.join(f'<code>{escape(name)}</code>' for name in each.holds)}</td></tr>"
        for each in places
        if each.category == category
    )
    return (
        f'<details class="category"><summary><span class="name">{_words(category)}</span></summary>'
        f'<div class="inside"><table>{rows}</table></div></details>'
    )


def _search(layers: Sequence[str], categories: Sequence[str]) -> str:
    def options(names: Sequence[str]) -> str:
        return "".join(f'<option value="{escape(each)}">{_words(each)}</option>' for each in names)

    return (
        '<form class="search" role="search"><label>Search'
        '<input id="words" type="search" placeholder="email, loyalty, owner …" autocomplete="off"></label>'
        f'<label>Layer<select id="layer"><option value="">all</option>{options(layers)}</select></label>'
        f'<label>Category<select id="category"><option value="">all</option>{options(categories)}</select></label>'
        '<p id="found" class="quiet" role="status"></p></form>'
    )


def _section(layer: str, tables: Sequence[TableFacts], facts: Facts) -> str:
    return (
        f'<section class="layer" data-layer="{escape(layer)}"><h3>{escape(layer)}</h3><div class="tables">'
        f"{''.join(_table(each, facts) for each in tables)}</div></section>"
    )


def _state(each: TableFacts) -> str:
    if each.quality is None:
        return ""
    return "bad" if not each.quality.passed else "warn" if each.quality.failures else "good"


def _table(each: TableFacts, facts: Facts) -> str:
    table, state = each.table, _state(each)
    shown = {
        "Owner": escape(each.owner or UNKNOWN),
        "Rows": "never written" if each.rows is None else f"{each.rows:,}",
        "Last updated": f"the night of {each.night}" if each.night else "never",
        "Quality": _quality(each),
        "Retention": escape(each.retention),
        "One row per": escape(", ".join(table.key)),
        "Data subject": escape("; ".join(", ".join(subject.columns) for subject in table.lifecycle.subjects) or "none"),
        "Purposes": _purposes(each.purposes, facts),
    }
    entries = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in shown.items())
    rows = "".join(_column(column) for column in each.columns)
    summary = (
        f'<summary class="{state}">{draw_mark(state) if state else "<i></i>"}'
        f'<span class="name">{escape(table.name.partition("/")[2])}</span>'
        f'<span class="number">{"" if each.rows is None else f"{each.rows:,} rows"}</span>'
        f'<span class="number night">{each.night or ""}</span></summary>'
    )
    return (
        f'<details class="table" id="{escape(table.name)}">{summary}'
        f'<div class="inside"><p>{escape(table.description)}</p><dl class="facts">{entries}</dl>{_lineage(each)}'
        '<table class="columns"><thead><tr><th scope="col">Column</th><th scope="col">Meaning</th>'
        '<th scope="col">Category</th><th scope="col">Comes from</th><th scope="col">Marts that derive from it</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _quality(each: TableFacts) -> str:
    if each.quality is None:
        return "not checked yet"
    summary = f"{each.quality.passed_count} of {each.quality.expectation_count} expectations hold"
    broken = "".join(f"<li>{describe_expectation(one)}</li>" for one in each.quality.results if not one.passed)
    return f"{summary}<ul>{broken}</ul>" if broken else summary


def _purposes(keys: Iterable[str], facts: Facts) -> str:
    return (
        ", ".join(f'<span title="{escape(facts.titles.get(key, ""))}">{escape(key)}</span>' for key in keys) or "none"
    )


def _column(each: ColumnFacts) -> str:
    column = each.column
    categories = " ".join(f'<span class="tag">{_words(name)}</span>' for name in each.categories)
    if each.exempt:
        categories += f' <span class="tag exempt" title="{escape(each.exempt)}">exempt</span>'
    personal = ' <span class="tag personal">personal</span>' if column.is_personal else ""
    sources = ", ".join(f"<code>{escape(name)}</code>" for name in column.sources)
    return (
        f'<tr class="column" data-categories="{escape(" ".join(each.categories))}">'
        f"<td><b>{escape(column.name)}</b>{personal}<div class='quiet type'>{escape(_type(column.dtype))}</div></td>"
        f'<td data-name="Meaning">{escape(column.description)}</td><td data-name="Category">{categories}</td>'
        f'<td data-name="Comes from">{sources}</td><td data-name="Marts">{escape(", ".join(each.used_for))}</td></tr>'
    )


def _type(dtype: object) -> str:
    return str(dtype).replace("Datetime(time_unit='us', time_zone='UTC')", "Datetime, UTC")


def _lineage(each: TableFacts) -> str:
    """The picture of a mart, and the same in words."""
    if _layer(each) != "mart":
        return ""
    words = "".join(f"<dt>{escape(column)}</dt><dd>{_ways(paths)}</dd>" for column, paths in each.paths.items())
    return (
        f'<figure><div class="wide" tabindex="0" role="region" aria-label="Lineage of {escape(each.table.name)}">'
        f"{draw_lineage(each.table.name, each.paths)}</div>"
        "<figcaption>Sources of each column. Dashed: the data subject of a row, and the decision that allows it."
        "</figcaption>"
        f'<details class="words"><summary>The same in words</summary><dl class="facts">{words}</dl></details></figure>'
    )


def _ways(paths: Iterable[LineagePath]) -> str:
    ways = "<br>".join(f"<code>{escape(' ← '.join(path.columns[1:]))}</code> {_end(path)}" for path in paths)
    return ways or "a value of the register, or a constant of the channel"


def _end(path: LineagePath) -> str:
    return f'<span class="tag">{_words(path.category)}</span>' if path.category else ""
