"""The drop folder: every entry is a delivery or is listed with the reason why it is none."""

import os
import time
from datetime import date

import pytest

from cdp_pipelines.errors import LakeError
from warehouse.sources.drop_folder import digest_settled_folders, list_deliveries, list_drop_dates, list_drop_files

NIGHT = date(2024, 6, 30)


@pytest.fixture(params=["drops", "my drops", "läke", "50% off", "a#b", "[a]?", "%20"])
def drops(tmp_path, request):
    folder = tmp_path / request.param
    (folder / str(NIGHT)).mkdir(parents=True)
    return folder


def reasons(drops) -> dict[str, str | None]:
    return {file.name: file.unreadable or file.misplaced for file in list_drop_files(drops)}


def test_files_of_nights_are_deliveries_and_all_other_files_are_listed(drops):
    for name in ("orders.csv", "../readme.txt", "../1.1.2024/orders.csv", "part/orders.csv", "part/a/b.csv", ".x.csv"):
        (drops / str(NIGHT) / name).parent.mkdir(parents=True, exist_ok=True)
        (drops / str(NIGHT) / name).write_text("id\n1\n")
    assert [(file.name, file.drop_date) for file in list_deliveries(drops)] == [("orders.csv", NIGHT)]
    assert list_drop_dates(drops) == [NIGHT]
    assert reasons(drops) == {
        "orders.csv": None,
        "readme.txt": "it lies beside the folders of the nights, not in one",
        "1.1.2024/orders.csv": "the folder is not named by a date",
        f"{NIGHT}/part/orders.csv": "it lies in a folder below that of the night",
        f"{NIGHT}/part/a/b.csv": "it lies in a folder below that of the night",
    }


def test_names_that_are_not_utf_8_can_be_stored(drops):
    (drops / str(NIGHT) / os.fsdecode(b"commandes_\xe9t\xe9.csv")).write_text("id\n1\n")
    (file,) = list_deliveries(drops)
    assert file.name == r"commandes_\xe9t\xe9.csv"
    assert file.name.encode()
    assert file.read()[0] == b"id\n1\n"


def test_links_are_read_within_the_drop_folder_and_not_beyond(drops, tmp_path):
    night = drops / str(NIGHT)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("id\n1\n")
    (night / "orders.csv").write_text("id\n2\n")
    (night / "again.csv").symlink_to("orders.csv")
    (night / "secret.csv").symlink_to(outside / "secret.csv")
    (night / "relative.csv").symlink_to("../../outside/secret.csv")
    (night / "chain.csv").symlink_to("secret.csv")
    (night / "folder").symlink_to(outside)
    (night / "round").symlink_to("..")
    (night / "gone.csv").symlink_to("nowhere.csv")
    (night / "loop.csv").symlink_to("loop.csv")
    (drops / "2024-07-01").symlink_to(outside)
    (drops / "2024-07-02").symlink_to(str(NIGHT))
    os.mkfifo(night / "pipe.csv")
    assert [(str(file.drop_date), file.name) for file in list_deliveries(drops)] == [
        ("2024-06-30", "again.csv"),
        ("2024-06-30", "orders.csv"),
        ("2024-07-02", "again.csv"),
        ("2024-07-02", "orders.csv"),
    ]
    found = {(str(file.drop_date), file.name): file for file in list_drop_files(drops) if file.unreadable}
    assert all(file.read()[0] == b"" for file in found.values())
    assert len({file.read()[1] for file in found.values()}) == len(found)
    leaving = {name for (_, name), file in found.items() if file.unreadable.startswith("a link that leaves")}
    assert leaving == {"secret.csv", "relative.csv", "chain.csv", "folder", "2024-07-01"}
    others = {name for (_, name) in found} - leaving
    assert others == {"round", "gone.csv", "loop.csv", "pipe.csv"}


def test_a_drop_folder_that_is_a_link_is_read(drops, tmp_path):
    (drops / str(NIGHT) / "orders.csv").write_text("id\n1\n")
    (tmp_path / "link").symlink_to(drops)
    assert [file.name for file in list_deliveries(tmp_path / "link")] == ["orders.csv"]


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(LakeError, match="nowhere"):
        list_drop_files(tmp_path / "nowhere")


@pytest.mark.parametrize("stamped", [0, 4102444800])
def test_a_folder_settles_by_the_time_of_its_change_and_not_by_the_stamps_of_its_files(drops, stamped):
    file = drops / str(NIGHT) / "orders.csv"
    file.write_text("id\n1\n")
    os.utime(file, (stamped, stamped))
    now = time.time() + 1
    assert digest_settled_folders(drops, now - 60, now) == {}
    assert list(digest_settled_folders(drops, now + 1, now + 61)) == [NIGHT]


def test_a_change_that_a_wrong_clock_noted_in_the_future_settles(drops):
    (drops / str(NIGHT) / "orders.csv").write_text("id\n1\n")
    now = time.time() - 1000
    assert list(digest_settled_folders(drops, now - 60, now)) == [NIGHT]


def test_the_digest_of_a_folder_changes_with_a_file(drops):
    file = drops / str(NIGHT) / "orders.csv"
    file.write_text("id\n1\n")
    later = time.time() + 100
    before = digest_settled_folders(drops, later, later)
    assert digest_settled_folders(drops, later, later) == before
    file.write_text("id\n1\n2\n")
    assert digest_settled_folders(drops, later, later) != before
