"""`python -m tests.supply_chain sbom FILE` writes a bill of materials; `… licences` checks all licences."""

import json
import sys
from pathlib import Path

from tests.supply_chain.licences import refused
from tests.supply_chain.packages import EVERYTHING, IMAGE, locked
from tests.supply_chain.sbom import bill_of_materials


def main(words: list[str]) -> int:
    """Run a command, and return its exit status."""
    match words:
        case ["sbom", file]:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).write_text(json.dumps(bill_of_materials(locked(IMAGE)), indent=2) + "\n", encoding="utf-8")
            print(f"{file}: what the image contains, as CycloneDX")
            return 0
        case ["licences"]:
            packages = locked(EVERYTHING)
            for package in packages:
                print(f"{package.name:30} {package.version:14} {', '.join(package.licences) or 'not said'}")
            for complaint in (complaints := refused(packages)):
                print(complaint, file=sys.stderr)
            return 1 if complaints else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
