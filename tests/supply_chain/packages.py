"""The packages of a lock file, as far as they are for this system, and what their own metadata says of them."""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.packages import ROOT

IMAGE = ROOT / "requirements-runtime.lock"
"""What is in the image."""

EVERYTHING = ROOT / "requirements.lock"
"""What is installed for development and tests, too."""

_PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\\n]+?))?\s*\\?\n"
    r"(?P<hashes>(?:    --hash=.*\n?)+)",
    re.MULTILINE,
)
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_CLASSIFIER = "License :: "


@dataclass(frozen=True)
class Package:
    """A locked package: the SHA-256 of each file that may be installed, and the licences in its metadata's words."""

    name: str
    version: str
    hashes: tuple[str, ...]
    licences: tuple[str, ...]
    requires: frozenset[str]


def locked(lock: Path) -> list[Package]:
    """Return the packages that a lock file pins for this system. Raises PackageNotFoundError if one is missing."""
    found = []
    for pin in _PIN.finditer(lock.read_text(encoding="utf-8")):
        if pin["marker"] is None or Marker(pin["marker"]).evaluate():
            said = metadata.distribution(pin["name"])
            if said.version != pin["version"]:
                raise ValueError(f"{pin['name']} is installed as {said.version}, and locked as {pin['version']}")
            hashes = tuple(_HASH.findall(pin["hashes"]))
            found.append(Package(pin["name"], pin["version"], hashes, _licences(said.metadata), needed_by(pin["name"])))
    return found


def needed_by(name: str, *extras: str) -> frozenset[str]:
    """Return the names of the packages that an installed one needs, with some of its extras."""
    needed = map(Requirement, metadata.requires(name) or ())
    return frozenset(
        canonicalize_name(one.name)
        for one in needed
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    )


def _licences(said: Any) -> tuple[str, ...]:
    """Return the expression, else the classifiers, else the first line of what a package calls its licence."""
    if expression := said.get("License-Expression"):
        return (expression,)
    classifiers = [one.split(" :: ")[-1] for one in said.get_all("Classifier") or () if one.startswith(_CLASSIFIER)]
    named = [one for one in classifiers if one != "DFSG approved"]
    text = (said.get("License") or "").strip().partition("\n")[0]
    return tuple(named) or ((text,) if text else ())
