"""Code is named by what it says, wherever it lies."""

from types import SimpleNamespace

import pytest

from warehouse import code_version as code


def named(monkeypatch, folder, files):
    """The name of rooms of which each holds these files."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    monkeypatch.setattr(code, "find_spec", lambda _: SimpleNamespace(submodule_search_locations=[str(folder)]))
    return code.code_version.__wrapped__()


@pytest.mark.parametrize(
    ("files", "is_same"),
    [
        pytest.param({"a.py": "x = 1\n", "b/c.yaml": "k: 1\n"}, True, id="the_same_elsewhere"),
        pytest.param({"a.py": "x = 1\n", "b/c.yaml": "k: 1\n", "b/a.pyc": "junk"}, True, id="compiled"),
        pytest.param({"a.py": "x = 2\n", "b/c.yaml": "k: 1\n"}, False, id="other_code"),
        pytest.param({"a.py": "x = 1\n", "b/c.yaml": "k: 2\n"}, False, id="another_declaration"),
        pytest.param({"a.py": "x = 1\n", "b/d.yaml": "k: 1\n"}, False, id="another_name"),
        pytest.param({"a.py": "x = 1\n", "b/c.yaml": "k: 1\n", "b/m.sql": ""}, False, id="one_more"),
    ],
)
def test_code_is_what_it_says(monkeypatch, tmp_path, files, is_same):
    one = named(monkeypatch, tmp_path / "one", {"a.py": "x = 1\n", "b/c.yaml": "k: 1\n"})
    assert (named(monkeypatch, tmp_path / "other", files) == one) is is_same


def test_the_name_has_the_version_of_the_package():
    version, _, digest = code.code_version().partition("+")
    assert version == code.version("cdp-pipelines")
    assert len(digest) == 12
