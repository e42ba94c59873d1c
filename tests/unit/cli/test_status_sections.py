"""Where `whopays status` sends whoever reads it: each section is there."""

import re

from cli.operating.standing import Section
from tests.support.packages import ROOT


def test_every_section_that_status_names_exists() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(map(str, Section)) <= anchors
