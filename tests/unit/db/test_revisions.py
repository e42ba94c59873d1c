"""Which revisions this version of the code knows, and what is said of tables that are newer."""

import pytest

from db import revisions
from db.refusal import WrongSchema


def test_a_version_without_migrations_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    assert revisions.head_revision() == revisions.revisions()[-1]
    monkeypatch.setattr(revisions, "migration_files", dict)
    with pytest.raises(WrongSchema, match="has no migrations"):
        revisions.head_revision()


@pytest.mark.parametrize("needs", ("", "which needs a version that knows 9998"))
def test_what_is_newer_is_told_with_what_it_needs(needs: str) -> None:
    said = (
        f"revision 9999{needs and f', {needs}'}, and the last that this version knows is {revisions.head_revision()}. "
    )
    assert said in str(revisions._newer("9999", needs))
