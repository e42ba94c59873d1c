"""Where the packages with the servers' programs are."""

from importlib.util import find_spec
from pathlib import Path

from embedded.errors import EmbeddedError


def folder_of_package(name: str) -> Path:
    """Return the folder of a package, found without importing it. Raises `EmbeddedError` when it is not installed."""
    package = find_spec(name)
    if package is None or not package.submodule_search_locations:
        raise EmbeddedError(
            f"The package {name}, which the embedded servers need, is not installed: run pip install '.[embedded]' "
            "in the checkout, or give the addresses of running servers (WHOPAYS_DATABASE_URL, "
            "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS)."
        )
    return Path(package.submodule_search_locations[0])
