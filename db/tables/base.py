"""What all tables have in common."""

from sqlalchemy import DateTime, MetaData, Table, make_url

metadata = MetaData()
INSTANT = DateTime(timezone=True)


def column_types(table: Table) -> dict[str, str]:
    """Return a table's columns in order, each with the type to cast to: `{"organization": "text", …}`."""
    dialect = make_url("postgresql+asyncpg://").get_dialect()()
    return {column.name: column.type.compile(dialect).lower().partition(" collate ")[0] for column in table.columns}
