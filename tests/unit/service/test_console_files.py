"""The console's files: named by what is in them, complete, and within the policy that they are served with."""

import gzip
import re
import shutil
from pathlib import Path

from service.console.files import FOLDER, read_files

_LOADED = re.compile(rb'(?:src|href)="(console/[^"]+)"')
_IMPORTED = re.compile(r'(?:from|import) "(\.[^"]+)"')


def test_what_the_page_loads_is_served_under_its_version_forever() -> None:
    files = read_files()
    loaded = {f"/{path.decode()}" for path in _LOADED.findall(files["/"].body)}
    assert len(loaded) >= 5
    assert loaded <= files.keys()
    assert {files[path].caching for path in loaded} == {"public, max-age=31536000, immutable"}
    assert files["/"].caching == "no-cache"


def test_every_module_that_is_imported_is_there() -> None:
    for module in FOLDER.rglob("*.js"):
        for imported in _IMPORTED.findall(module.read_text(encoding="utf-8")):
            assert (module.parent / imported).resolve().is_file(), f"{module.name} imports {imported}"


def test_a_change_of_any_file_changes_every_path(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "static")
    assert read_files(tmp_path / "static") == read_files()
    with (tmp_path / "static" / "parts.css").open("a") as file:
        file.write("\n")
    assert read_files(tmp_path / "static").keys() & read_files().keys() == {"/"}


def test_the_compressed_bytes_are_the_same_file() -> None:
    for file in read_files().values():
        assert gzip.decompress(file.compressed) == file.body


def test_nothing_is_inline_and_no_text_becomes_markup() -> None:
    index = read_files()["/"].body.decode()
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", index)
    for module in FOLDER.rglob("*.js"):
        text = module.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            module
        )
