"""The packages that the product consists of: every folder of the project root that can be imported and is shipped."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The project's root folder."""

_NOT_SHIPPED = frozenset({"benchmarks", "examples", "tests"})

PACKAGES = frozenset(path.parent.name for path in ROOT.glob("*/__init__.py")) - _NOT_SHIPPED
"""Every list of packages must contain these; tests/unit/test_packages.py checks that."""
