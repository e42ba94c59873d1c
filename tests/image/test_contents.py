"""What is in the image: what is locked, the product, and nothing else."""

import os
import re
import stat
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.utils import NormalizedName, canonicalize_name

from tests.image.building import Image
from tests.support.packages import PACKAGES, ROOT

pytestmark = pytest.mark.image

_OURS = "opt/whopays"
_LARGEST_MB = 280
_PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\\n]+))?", re.MULTILINE)
_MARKERS = {"python_version": "3.13", "python_full_version": "3.13.0"}
_SECRETS = re.compile(r"\.env$|\.pypirc$|\.netrc$|pip\.conf$|uv\.toml$|\.pem$|\.key$|id_(rsa|ed25519)", re.IGNORECASE)


def _packages_folder(image: Image) -> Path:
    (folder,) = (image.root / _OURS / "lib").glob("python3.*/site-packages")
    return folder


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in (*files, *(one for one in folders if (Path(parent) / one).is_symlink())):
            yield Path(parent) / name


def _locked() -> dict[NormalizedName, str]:
    text = (ROOT / "requirements-runtime.lock").read_text(encoding="utf-8")
    pins = [pin for pin in _PIN.finditer(text) if not pin["marker"] or Marker(pin["marker"]).evaluate(_MARKERS)]
    return {canonicalize_name(pin["name"]): pin["version"] for pin in pins}


def _installed(image: Image) -> dict[NormalizedName, str]:
    found: dict[NormalizedName, str] = {}
    for metadata in _packages_folder(image).glob("*.dist-info/METADATA"):
        said = Parser().parsestr(metadata.read_text(encoding="utf-8"), headersonly=True)
        found[canonicalize_name(said["Name"])] = said["Version"]
    return found


def test_what_is_installed_is_what_is_locked(image: Image) -> None:
    installed = _installed(image)
    assert installed.pop(canonicalize_name("whopays"))
    assert installed == _locked()


def test_nothing_was_added_but_the_product(image: Image) -> None:
    theirs = {path.relative_to(image.base) for path in _files(image.base)}
    ours = {path.relative_to(image.root) for path in _files(image.root)}
    assert [path for path in sorted(ours - theirs) if not path.is_relative_to(_OURS)] == []
    assert theirs <= ours


def test_only_what_is_shipped_of_the_project_is_in_it(image: Image) -> None:
    names = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert {name for name in names if (_packages_folder(image) / name).exists()} == PACKAGES


def test_there_are_no_secrets_in_it(image: Image) -> None:
    found = [path for path in _files(image.root / _OURS) if _SECRETS.search(path.name)]
    assert [path for path in found if path.name != "cacert.pem"] == []
    added = {one.partition("=")[0] for one in set(image.config["Env"]) - image.base_environment}
    assert added == {"PATH", "PYTHONUNBUFFERED", "WHOPAYS_METRICS_ADDRESS", "WHOPAYS_METRICS_PORT"}


def test_what_is_run_belongs_to_root_and_can_be_changed_by_nobody_else(image: Image) -> None:
    for path in _files(image.root / _OURS):
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (0, 0), path
        assert stat.S_ISLNK(found.st_mode) or not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID), path


def test_its_size_is_stated_and_bounded(image: Image, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {path: path.lstat().st_size for path in _files(image.root / _OURS)}
    largest: dict[str, int] = {}
    folder = _packages_folder(image)
    for path, size in sizes.items():
        part = path.relative_to(folder).parts[0] if path.is_relative_to(folder) else "the environment itself"
        largest[part] = largest.get(part, 0) + size
    ours = sum(size for part, size in largest.items() if part in PACKAGES)
    base = sum(path.lstat().st_size for path in _files(image.base))
    whole = sum(sizes.values())
    with capsys.disabled():
        print(f"\nThe image adds {whole / 1e6:.0f} MB in {len(sizes):,} files to a base of {base / 1e6:.0f} MB:")
        print(f"  {ours / 1e6:6.1f} MB whopays itself")
        for part, size in sorted(largest.items(), key=lambda one: -one[1])[:12]:
            print(f"  {size / 1e6:6.1f} MB {part}")
        print("  packages: " + ", ".join(f"{name} {version}" for name, version in sorted(_installed(image).items())))
    assert whole < _LARGEST_MB * 1e6
