"""The documentation is true: links, paths, tables and settings that it names exist.

Here belong checks of README.md, CONTRIBUTING.md and docs/; none of them reads a lake.
"""

import re
from pathlib import Path

import pytest

from cdp_pipelines.schema import LAYERS, TABLES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = ("assets", "cdp_pipelines", "expectations", "warehouse", "tests", ".ci")
# Words of the earlier private dialect, which naming rules replace; "is no longer" is English.
DIALECT = re.compile(r"\b(?:wills|told|tells|heard|dossier|(?:is|are|was|does) no (?!longer|more)\w+)\b")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
SETTING = re.compile(r"\bCDP_[A-Z]+(?:_[A-Z]+)*\b")
PLACEHOLDER = re.compile(r"<[^>]*>")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_each_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    broken = [
        link
        for link in links
        if not link.startswith(("http:", "https:", "mailto:")) and not (page.parent / link.partition("#")[0]).exists()
    ]
    assert broken == []


def is_there(path: str) -> bool:
    """Whether a path of the repository exists; `<name>` stands for any name."""
    pattern = PLACEHOLDER.sub("*", path).rstrip("/")
    return any(ROOT.glob(pattern))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_each_path_of_the_repository_exists(page):
    top = tuple(f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and path.name not in {"lake", "sample"})
    files = {path.name for path in ROOT.iterdir() if path.is_file()}
    named = {
        word.rstrip(".,;:)").lstrip("(")
        for code in INLINE.findall(FENCE.sub("", page.read_text()))
        for word in code.split()
    }
    paths = {word for word in named if word.startswith(top) or word in files}
    assert {path for path in paths if not is_there(path)} == set()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_each_table_exists(page):
    channels, purposes = (
        {path.parent.name for path in (ROOT / "assets" / "defs").glob(f"**/{kind}/*/defs.yaml")}
        for kind in ("channels", "purposes")
    )
    known = {*TABLES, *(f"{layer}/{channel}" for layer in ("raw", "quarantine") for channel in channels)}
    known |= {f"mart/{purpose}" for purpose in purposes}
    named = set()
    for layer, names in re.findall(
        rf"(?<![\w/.-])({'|'.join(LAYERS)})/(\{{[^}}]+\}}|[a-z_]+)(?![\w/<-])", page.read_text()
    ):
        named |= {f"{layer}/{name.strip()}" for name in names.strip("{}").split(",")}
    assert named - known == set()


def test_each_setting_is_documented_and_each_documented_setting_is_read():
    documented = {name for page in PAGES for name in SETTING.findall(page.read_text())}
    files = [ROOT / "Makefile", *(path for folder in CODE for path in (ROOT / folder).rglob("*") if path.is_file())]
    read = {
        name
        for path in files
        if path.suffix in {"", ".py", ".yaml"} and path != Path(__file__)
        for name in SETTING.findall(path.read_text())
    }
    assert documented == read


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_old_dialect_is_gone(page):
    assert [match[0] for match in DIALECT.finditer(page.read_text())] == []
