"""Every command: its help, its shared options, and the keys of its JSON."""

import json
import re
import typing

import pytest
import typer.main

from cdp_pipelines.cli import app, options
from cdp_pipelines.schema import LINK
from cdp_pipelines.services.declarations import COMPANY
from tests.commands import in_one_line, run_command

SNAKE_CASE = re.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*")


def list_commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from list_commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(list_commands(typer.main.get_command(app)))
# Options that several commands have must be one definition.
SHARED = {
    "--lake": options.LakeOption,
    "--output": options.OutputOption,
    "--as-of": options.AsOfOption,
    "--known-at": options.KnownAtOption,
    "--on": options.OnOption,
    "--by": options.ByOption,
    "--ids": options.IdsOption,
    "--purpose": options.PurposesOption,
}
# A benchmark makes a lake or uses one: there is no default.
OWN_LAKE = {("bench", "identity"), ("bench", "audit")}
FORMATS = {
    ("query",): ["text", "json", "csv"],
    ("record-of-processing",): ["text", "json", "html", "csv"],
    ("bench", "identity"): ["text", "json"],
}
METAVARS = {
    "ATTRIBUTE", "COLUMN", "COUNT", "CUSTOMER", "CUSTOMERS", "DATE", "EVENT", "FILE", "FOLDER", "KIND", "LAKE", "NAME",
    "NUMBER", "PERCENT", "PORT", "PURPOSE", "REASON", "RECORD", "RECORDS", "SET", "SQL", "SUBJECT", "TABLE", "URI", "VALUE",
    "VERSION", "same|different",
}  # fmt: skip

parametrize_commands = pytest.mark.parametrize("path", [pytest.param(path, id="_".join(path)) for path in COMMANDS])


def find_option(path, name):
    return next((each for each in COMMANDS[path].params if name in each.opts), None)


def list_choices(option):
    return [*typing.get_args(option.type_descriptor.annotation)]


@parametrize_commands
def test_help_explains_by_example_in_80_columns(path):
    done = run_command(*path, "--help")
    assert done.exit_code == 0
    text = in_one_line(done)
    assert f"cdp {' '.join(path)}" in re.split("Examples?: ", text, maxsplit=1)[1]
    assert max(map(len, done.output.splitlines())) <= 80
    assert not re.search(r"\b(wills?|told|catalog)\b", text)


@parametrize_commands
def test_metavars_are_uniform(path):
    for each in COMMANDS[path].params:
        if each.metavar:
            assert each.metavar in METAVARS, (path, each.name)
        else:
            assert each.is_flag or list_choices(each), (path, each.name)


@parametrize_commands
@pytest.mark.parametrize("name", SHARED)
def test_shared_options_are_one_definition(path, name):
    option = find_option(path, name)
    if option is None or (name == "--lake" and path in OWN_LAKE):
        return
    declared = SHARED[name].__metadata__[0]
    assert (option.help, option.metavar, option.envvar) == (declared.help, declared.metavar, declared.envvar)
    assert option.required == (name == "--on")
    assert option.required or option.default == {"--lake": options.DEFAULT_LAKE}.get(name)


@parametrize_commands
def test_formats_are_the_same_three_and_text_is_the_default(path):
    option = find_option(path, "--format")
    if option is None:
        return
    assert option.default == "text"
    assert list_choices(option) == FORMATS.get(path, ["text", "json", "html"])
    assert find_option(path, "--output") or path == ("bench", "identity")


@pytest.fixture(scope="module")
def words(sample, member):
    """Arguments that each reading command needs on the sample."""
    pair = sample.lake.read(LINK).filter(rule="comparison").row(0, named=True)
    records = [f"{pair[f'{side}_channel']}:{pair[f'{side}_source_record_id']}" for side in ("left", "right")]
    last = max(path.name for path in sample.drops.iterdir())
    return {
        ("query",): ["SELECT language_code, count(*) AS customers FROM email_marketing.customer GROUP BY 1"],
        ("why",): [member[0], "email_marketing"],
        ("funnel",): ["email_marketing"],
        ("conflicts",): [],
        ("evaluate",): ["--truth", sample.truth],
        ("catalogue",): [],
        ("record-of-processing",): [],
        ("audit", "customer"): [member[0]],
        ("audit", "mart"): ["email_marketing", "--on", last, "--customer", member[0]],
        ("audit", "rows"): ["email_marketing", "--on", last],
        ("audit", "purpose"): ["email_marketing"],
        ("consent", "unresolved"): [],
        ("link", "explain"): records,
        ("link", "review"): [],
        ("link", "report"): [],
        ("lineage", "trace"): ["mart/email_marketing.email"],
        ("simulate", "notice"): ["email_marketing", "2011-06"],
        ("simulate", "purpose"): [COMPANY / "purposes" / "email_marketing" / "defs.yaml"],
        ("verify", "marts"): ["--purpose", "payment"],
        ("verify", "consent"): ["--drops", sample.drops],
        ("verify", "joins"): [],
        ("doctor",): [],
    }


# These write to a server, or make a lake of their own.
NOT_READING = {("publish",), ("bench", "identity"), ("bench", "night"), ("verify", "incremental")}
READING = [path for path in COMMANDS if find_option(path, "--format") and path not in NOT_READING]
parametrize_reading = pytest.mark.parametrize("path", [pytest.param(path, id="_".join(path)) for path in READING])


def list_keys(value):
    if isinstance(value, dict):
        yield from value
        value = value.values()
    for each in value if not isinstance(value, str | int | float | None) else ():
        yield from list_keys(each)


@parametrize_reading
def test_json_has_keys_in_snake_case_and_help_names_them(path, words, audited):
    done = run_command(*path, *words[path], "--lake", audited.lake.path, "--format", "json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert [key for key in list_keys(answer) if not SNAKE_CASE.fullmatch(key)] == []
    described = in_one_line(run_command(*path, "--help"))
    if isinstance(answer, dict):
        missing = {key for key in answer if key not in described and not key.startswith("copy_")}
        assert missing <= {"title", "answer"}


@parametrize_reading
def test_text_fits_a_terminal(path, words, audited):
    done = run_command(*path, *words[path], "--lake", audited.lake.path)
    assert done.exit_code == 0, done.output
    # Digests and signatures stand on a line of their own, whatever their length.
    assert max(len(line) for line in done.stdout.splitlines() if ": " not in line) <= 80


@parametrize_reading
def test_the_page_goes_to_the_reports_of_the_lake(path, words, audited):
    if "html" not in list_choices(find_option(path, "--format")):
        return
    reports = audited.lake.path / "reports"
    for page in reports.rglob("*.html"):
        page.unlink()
    done = run_command(*path, *words[path], "--lake", audited.lake.path, "--format", "html")
    assert done.exit_code == 0, done.output
    (page,) = reports.rglob("*.html")
    assert str(page) in done.stdout.replace("\n", "")
    assert re.findall(r"(?:src|href)=[\"'](?!#)|@import|url\(", page.read_text()) == []
    # Names of files hold no identifier: a page about people has a digest in its name.
    assert all(str(word) not in page.name for word in words[path] if "@" in str(word) or str(word).startswith("c_"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["reach", "payment"], "No such command 'reach'", id="no_such_command"),
        pytest.param(["funnle", "payment"], "Did you mean 'funnel'?", id="mistyped_command"),
        pytest.param(["funnel", "payment", "--formt", "json"], "--format", id="mistyped_option"),
        pytest.param(["funnel", "payment", "--format", "xml"], "'text', 'json', 'html'", id="unknown_format"),
        pytest.param(["funnel", "payment", "--as-of", "yesterday"], "%Y-%m-%d", id="unreadable_date"),
        pytest.param(["funnel"], "Missing argument 'PURPOSE'", id="missing_argument"),
        pytest.param(["funnel", "payment", "--lake", "nowhere"], "holds no decisions", id="no_lake"),
        pytest.param(
            ["lineage", "trace", "mart/email_marketing.emial"], "Did you mean 'mart/email_marketing.email'", id="column"
        ),
        pytest.param(["lineage", "trace", "golden/custmer"], "Did you mean 'golden/customer'", id="table"),
        pytest.param(
            ["lineage", "trace", "golden/customer", "--format", "html", "--lake", "nowhere"], "--output FILE", id="page"
        ),
    ],
)
def test_an_error_is_one_line_on_stderr_and_says_what_is_allowed(words, message):
    done = run_command(*words)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_version():
    done = run_command("--version")
    assert re.fullmatch(r"cdp \d+\.\d+\.\d+\n", done.stdout)
