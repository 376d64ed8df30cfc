"""The documentation is true: commands, links, paths, tables and settings that it names exist.

Here belong checks of README.md, CONTRIBUTING.md and docs/. No command is run; the command line is only parsed.
"""

import re
import shlex
from pathlib import Path

import pytest
import typer

from cdp_pipelines.cli import app
from cdp_pipelines.schema import LAYERS, TABLES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = ("assets", "cdp_pipelines", "expectations", "warehouse", "tests", ".ci")
# Words of the earlier private dialect, which naming rules replace; "is no longer" is English.
DIALECT = re.compile(r"\b(?:wills|told|tells|heard|dossier|(?:is|are|was|does) no (?!longer|more)\w+)\b")
COMMAND = re.compile(r"^(?:\w+=\S+ )*(?:\.venv/bin/)?cdp\b")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
# Typer carries a parser of its own, whose base of all refusals has no public name.
USAGE_ERROR = typer.BadParameter.__base__
SETTING = re.compile(r"\bCDP_[A-Z]+(?:_[A-Z]+)*\b")
PLACEHOLDER = re.compile(r"<[^>]*>")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def command_lines() -> list:
    """Each `$ ... cdp ...` line of a console block, and each `cdp ...` in running text, with its page."""
    found = []
    for page in PAGES:
        text = page.read_text()
        blocks = FENCE.findall(text)
        for line in (line for block in blocks for line in block.splitlines() if line.startswith("$ ")):
            found += [(page, part.strip(), True) for part in line[2:].split("&&") if COMMAND.match(part.strip())]
        found += [(page, code, False) for code in INLINE.findall(FENCE.sub("", text)) if COMMAND.match(code)]
    return [
        pytest.param(*each, id=f"{page_id(each[0])}: {each[1].partition(' #')[0].strip()}")
        for each in dict.fromkeys(found)
    ]


def find_command(words: list[str]) -> tuple[object, list[str], str]:
    """The command that the words name, the words after its name, and its name."""
    command, name = typer.main.get_command(app), "cdp"
    while words and words[0] in getattr(command, "commands", {}):
        command, name = command.commands[words[0]], f"{name} {words[0]}"
        words = words[1:]
    return command, words, name


def fault_of(text: str, *, is_complete: bool) -> str | None:
    """Why the command line would be refused before it does anything; None if it would not."""
    words = shlex.split(text, comments=True)
    words = words[next(i for i, word in enumerate(words) if word.rpartition("/")[2] == "cdp") + 1 :]
    command, words, name = find_command(words)
    is_group = hasattr(command, "commands")
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    named = [word.partition("=")[0] for word in words if word.startswith("--")]
    if is_group and (others := [word for word in words if not word.startswith("-")]):
        return f"{name} has no command {others[0]}"
    if unknown := {*named} - options - {"--help"}:
        return f"{name} has no option {', '.join(sorted(unknown))}"
    if is_group or not is_complete or "--help" in named:
        return None
    try:
        command.make_context(name, list(words))
    except USAGE_ERROR as error:
        message = error.format_message()
        # Files of an example need not be there.
        return None if "does not exist" in message else f"{name}: {message}"
    return None


@pytest.mark.parametrize(("page", "text", "is_complete"), command_lines())
def test_each_command_line_exists(page, text, is_complete, monkeypatch):
    monkeypatch.setenv("CDP_POSTGRES", "postgresql://host/marts")
    assert fault_of(text, is_complete=is_complete) is None, page_id(page)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("cdp nothing", "no command nothing", id="command"),
        pytest.param("cdp verify nothing", "no command nothing", id="subcommand"),
        pytest.param("cdp run --speed 9", "no option --speed", id="option"),
        pytest.param("cdp query --lake lake", "SQL", id="argument_missing"),
        pytest.param("cdp query a b c", "unexpected", id="argument_too_many"),
        pytest.param('cdp query "SELECT 1" --format lace', "lace", id="choice"),
    ],
)
def test_a_wrong_command_line_is_found(text, fault):
    assert fault in fault_of(text, is_complete=True)


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
