"""When an upgrade can be made, in words."""

import pytest

from cli.operating.migrating import _when
from db.migration_plan import Kind, Migration, MigrationPlan


def _migration(kind: Kind, oldest_code: str) -> Migration:
    return Migration(revision="0009", title="", kind=kind, oldest_code=oldest_code)


@pytest.mark.parametrize(
    ("migrations", "when"),
    (
        ((_migration(Kind.EXPAND, "0005"),), "while everything runs"),
        (
            (_migration(Kind.EXPAND, "0005"), _migration(Kind.CONTRACT, "0004")),
            "while everything runs that knows revision 0004; stop what is older",
        ),
        ((_migration(Kind.CONTRACT, "0009"),), "with every process stopped"),
    ),
)
def test_when_an_upgrade_can_be_made(migrations: tuple[Migration, ...], when: str) -> None:
    assert _when(MigrationPlan("0005", "0009", migrations, ())) == when
