"""Databases as earlier versions of whopays left them."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

SHARDS = 6


async def migrated_to(engine: AsyncEngine, revision: str) -> None:
    """Create the tables of a revision in an empty database, for the installation "here"."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(files("db") / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await run(
        engine,
        f"INSERT INTO installation (name, shards) VALUES ('here', {SHARDS})",  # noqa: S608 (a constant)
        f"INSERT INTO shards (shard) SELECT generate_series(0, {SHARDS - 1})",
    )


async def run(engine: AsyncEngine, *statements: str, unheld: bool = False) -> None:
    """Run statements in one transaction, without triggers if `unheld`."""
    async with engine.begin() as connection:
        if unheld:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await connection.execute(text(statement.replace(":", "\\:")))
