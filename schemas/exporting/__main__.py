"""Write every published file and the page about messages: `make contracts`."""

import argparse
import shutil
from pathlib import Path

from schemas.exporting.files import published_files
from schemas.exporting.page import PAGE, page

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "schemas" / "published" / "v1"
RELEASED = ROOT / "schemas" / "published" / "released"


def main() -> None:
    """Write the files, and delete those that are no longer generated."""
    parser = argparse.ArgumentParser(prog="make contracts", description=__doc__)
    parser.add_argument("--release", metavar="VERSION", help="keep what is published now as what VERSION published")
    version = parser.parse_args().release
    wanted = {FOLDER / name: text for name, text in published_files().items()} | {ROOT / PAGE: page()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    for path in set(FOLDER.iterdir()) - set(wanted):
        path.unlink()
    if version:
        # Only the last release is compared; earlier ones are in the repository's history.
        shutil.rmtree(RELEASED, ignore_errors=True)
        shutil.copytree(FOLDER, RELEASED / version)


if __name__ == "__main__":
    main()
