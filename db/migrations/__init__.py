"""The schema migrations, run by Alembic through `db.migrate`."""
