"""A bill of materials in CycloneDX's form; the same packages always give the same bytes."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from packaging.utils import canonicalize_name

from tests.supply_chain.packages import Package, needed_by


def bill_of_materials(packages: Sequence[Package]) -> dict[str, Any]:
    """Return the bill of materials of whopays with these packages."""
    own = f"pkg:pypi/whopays@{version('whopays')}"
    names: dict[str, str] = {canonicalize_name(package.name): _purl(package) for package in packages}
    needed = {_purl(package): sorted(names[one] for one in package.requires if one in names) for package in packages}
    direct = sorted(names[one] for one in needed_by("whopays", "serve") if one in names)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "whopays",
                "version": version("whopays"),
                "purl": own,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [_component(package) for package in sorted(packages, key=lambda one: one.name)],
        "dependencies": [
            {"ref": own, "dependsOn": direct},
            *({"ref": purl, "dependsOn": others} for purl, others in sorted(needed.items())),
        ],
    }


def _component(package: Package) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package.name,
        "version": package.version,
        "purl": _purl(package),
        "licenses": [{"license": {"name": licence}} for licence in package.licences],
        # Of each file that the lock accepts: which one is installed depends on the system.
        "externalReferences": [
            {
                "type": "distribution",
                "url": _purl(package),
                "hashes": [{"alg": "SHA-256", "content": hash_}],
            }
            for hash_ in package.hashes
        ],
    }


def _purl(package: Package) -> str:
    return f"pkg:pypi/{canonicalize_name(package.name)}@{package.version}"
