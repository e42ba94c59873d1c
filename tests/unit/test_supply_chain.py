"""The bill of materials names all that is in the image, and no package has a licence that nobody accepted."""

import json
import re
from pathlib import Path

import pytest

from tests.supply_chain.licences import EXCEPTIONS, refused
from tests.supply_chain.packages import EVERYTHING, IMAGE, Package, locked
from tests.supply_chain.sbom import bill_of_materials

_ELSEWHERE = {"colorama", "pywin32", "async-timeout"}
"""Packages for other systems, and for other versions of Python."""


@pytest.mark.parametrize("lock", (IMAGE, EVERYTHING))
def test_every_package_is_read_from_the_lock(lock: Path) -> None:
    pinned = set(re.findall(r"^([\w.-]+)==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    found = {package.name for package in locked(lock)}
    assert pinned - found <= _ELSEWHERE
    assert found <= pinned


def test_the_bill_names_each_package_once_with_its_hashes_and_whoever_needs_it() -> None:
    packages = locked(IMAGE)
    bill = bill_of_materials(packages)
    assert bill["bomFormat"] == "CycloneDX"
    components = {one["name"]: one for one in bill["components"]}
    assert list(components) == sorted(package.name for package in packages)
    for package in packages:
        assert package.hashes
        hashes = [one["hashes"][0]["content"] for one in components[package.name]["externalReferences"]]
        assert hashes == list(package.hashes)
        assert f"{package.version}" in components[package.name]["purl"]
    needed = {one["ref"].partition("@")[0].rpartition("/")[2]: one["dependsOn"] for one in bill["dependencies"]}
    assert any("pydantic-core@" in one for one in needed["pydantic"])
    assert any("asyncpg@" in one for one in needed["whopays"])
    assert json.dumps(bill) == json.dumps(bill_of_materials(list(reversed(packages))))


def test_no_licence_that_nobody_accepted() -> None:
    packages = locked(EVERYTHING)
    assert refused(packages) == []
    assert set(EXCEPTIONS) <= {package.name for package in packages}


@pytest.mark.parametrize(
    ("licences", "is_refused"),
    (
        ((), True),
        (("GPL-3.0-only",), True),
        (("GPL-3.0-only OR MIT",), False),
        (("GPL-3.0-only AND MIT",), True),
        (("MPL-2.0 AND (Apache-2.0 OR MIT)",), False),
        (("MPL-2.0 AND (GPL-3.0-only OR MIT)",), True),
        (("MIT License", "Proprietary"), True),
        (("Apache Software License", "MIT License"), False),
    ),
)
def test_which_are_refused(licences: tuple[str, ...], is_refused: bool) -> None:
    assert bool(refused([Package("some", "1", (), licences, frozenset())])) is is_refused
