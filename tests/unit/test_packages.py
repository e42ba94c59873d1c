"""Whatever lists the packages of the product by name lists all of them: a new one is not silently left out."""

import re
import tomllib
from typing import Any

import pytest

from tests.faults import failpoints
from tests.support.packages import PACKAGES, ROOT
from workers.runtime import logs

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_TOOL = PYPROJECT["tool"]
_NEVER_SHIPPED = {"benchmarks", "examples", "tests"}
_ELSEWHERE = {*_NEVER_SHIPPED, "whopays_client"}


def _words(pattern: str, file: str) -> set[str]:
    return set(re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE))


LISTS = {
    "the wheel": set(_TOOL["hatch"]["build"]["targets"]["wheel"]["packages"]),
    "the source distribution": {
        name.strip("/") for name in _TOOL["hatch"]["build"]["targets"]["sdist"]["include"] if (ROOT / name[1:]).is_dir()
    }
    - {"docs", "tests"},
    "the type checker": set(_TOOL["mypy"]["packages"]) - _ELSEWHERE,
    "the linter's own packages": set(_TOOL["ruff"]["lint"]["isort"]["known-first-party"]) - _ELSEWHERE,
    "import-linter": set(_TOOL["importlinter"]["root_packages"]) - _ELSEWHERE,
    "the image": _words(r"^COPY (\w+) \1$", "Dockerfile"),
    "what goes to the image's builder": _words(r"^!([a-z]+)$", ".dockerignore"),
    "whose error texts may be logged": set(logs.OURS),
    "what failpoints and mutants may change": set(failpoints.CHANGEABLE),
    "the README's table": _words(r"^\| `(\w+)/` \|", "README.md") - _NEVER_SHIPPED - {"deploy", "docs"},
}


@pytest.mark.parametrize("listed", LISTS.values(), ids=LISTS)
def test_every_list_of_packages_is_complete(listed: set[str]) -> None:
    assert listed == PACKAGES


def test_import_linter_orders_every_package() -> None:
    contracts = _TOOL["importlinter"]["contracts"]
    ordered = {layer for contract in contracts for layer in contract.get("layers", ()) if "containers" not in contract}
    assert ordered | {"embedded"} == PACKAGES
    servers = next(one for one in contracts if one.get("source_modules") == ["embedded"])
    assert {*servers["forbidden_modules"], "embedded"} == PACKAGES
