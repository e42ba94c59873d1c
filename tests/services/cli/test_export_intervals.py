"""`whopays export intervals`: what the file holds in every form, cut to the period, and what is refused."""

import csv
import io
import json
import sys
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyarrow import parquet

from schemas.instants import format_instant, parse_instant
from tests.services.cli.telling import FORMULA, QUOTED, Told
from tests.support.command_line import Ran, Whopays
from tests.support.installations import Installation
from tests.support.terminal import terminal
from tests.support.waiting import until


async def exported(whopays: Whopays, begins: str, ends: str, *options: str) -> Ran:
    """Export a period, as soon as it is settled."""
    words = ("export", "intervals", "--from", begins, "--until", ends, *options)

    async def settled() -> Ran | None:
        ran = await whopays(*words)
        return None if "is not settled" in ran.err else ran

    return (await until(settled, "the period to be settled")).expect(0)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a reader of Parquet with its instants as text."""
    return {name: format_instant(value) if isinstance(value, datetime) else value for name, value in row.items()}


async def test_a_period_is_cut_and_is_the_same_in_every_form(whopays: Whopays, told: Told, tmp_path: Path) -> None:
    established, second, third = told.changes
    # A microsecond in, so that the first interval is cut, and up to where the third begins, which is not within.
    first = format_instant(parse_instant(established) + timedelta(microseconds=1))
    rows = []
    for form in ("ndjson", "parquet", "csv"):
        file = tmp_path / f"intervals.{form}"
        options = ("--organization", "told", "--format", form, "--out", str(file))
        ran = await exported(whopays, first, third, *options)
        assert ran.out == f"3 intervals written to {file}.\n"
        rows.append(_read(file))
        manifest = json.loads((tmp_path / f"intervals.{form}.manifest.json").read_text())
        assert manifest["sha256"] == sha256(file.read_bytes()).hexdigest()
        assert {name: manifest[name] for name in ("file", "format", "bytes", "intervals", "settled")} == {
            "file": file.name, "format": form, "bytes": file.stat().st_size, "intervals": 3, "settled": True,
        }  # fmt: skip
        assert (manifest["from"], manifest["until"], manifest["organization"]) == (first, third, "told")
        assert format_instant(parse_instant(manifest["closedUntil"])) == manifest["closedUntil"] >= third
        assert len(manifest["asOf"]) == 1
        assert [column["name"] for column in manifest["columns"]] == list(rows[-1][0])
    of_web = [row for row in rows[0] if row["x_Project"] == "web"]
    assert [(row["x_Account"], row["ChargePeriodStart"], row["ChargePeriodEnd"]) for row in of_web] == [
        ("main", first, second),
        ("lab", second, third),
    ]
    assert rows[0] == rows[1]
    # In CSV nothing is what a spreadsheet takes for a formula, and whatever is missing is empty.
    assert [row["BillingAccountName"] for row in rows[2]] == ["lab", f"'{FORMULA}", "lab"]
    assert [row["SubAccountName"] for row in rows[2]] == [f"'{FORMULA}", QUOTED, QUOTED]
    assert rows[2] == [{name: _in_csv(value) for name, value in row.items()} for row in rows[0]]


async def test_a_terminal_shows_how_far_it_is(
    playground: Installation, whopays: Whopays, told: Told, tmp_path: Path
) -> None:
    begins, _, ends = told.changes
    await exported(whopays, begins, ends, "--format", "ndjson")
    for form in ("csv", "parquet"):
        period = ("export", "intervals", "--from", begins, "--until", ends, "--organization", "told")
        file = ("--format", form, "--out", str(tmp_path / f"shown.{form}"))
        async with terminal(*period, *file, environment=playground.environment(TERM="xterm")) as shown:
            assert await shown.ended() == 0
            written = shown.written.decode()
        assert "3 of 3 " in written
        assert "4 of 3 " not in written
        assert "3 intervals written" in " ".join(written.split())


def _in_csv(value: object) -> str:
    if value == FORMULA:
        return f"'{FORMULA}"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _beside(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


def _read(file: Path) -> list[dict[str, Any]]:
    match file.suffix:
        case ".ndjson":
            return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        case ".parquet":
            read = [_shown(row) for row in parquet.read_table(file).to_pylist()]
            with duckdb.connect() as database:
                found = database.read_parquet(str(file)).to_arrow_table()
            assert [_shown(row) for row in found.to_pylist()] == read
            return read
        case _:
            content = file.read_bytes().decode()
            assert content.count("\r\n") == content.count("\n")
            return list(csv.DictReader(io.StringIO(content, newline=""), strict=True))


async def test_the_columns_are_those_of_focus(whopays: Whopays, told: Told) -> None:
    first, last = told.changes[0], told.after
    out = (await exported(whopays, first, last, "--organization", "told", "--format", "ndjson")).out
    row = json.loads(out.splitlines()[1])
    assert row == {
        "BillingAccountId": "told/main", "BillingAccountName": FORMULA, "BillingCurrency": "EUR",
        "BillingPeriodEnd": last, "BillingPeriodStart": first, "ChargePeriodEnd": told.changes[1],
        "ChargePeriodStart": first, "SubAccountId": "told/web", "SubAccountName": QUOTED, "x_Account": "main",
        "x_BindingId": "told/web/1", "x_EndedAt": told.changes[1], "x_EstablishedAt": first,
        "x_Organization": "told", "x_Project": "web", "x_Settled": True,
    }  # fmt: skip
    lasting = json.loads(out.splitlines()[-1])
    assert (lasting["x_BindingId"], lasting["ChargePeriodEnd"], lasting["x_EndedAt"]) == ("told/web/3", last, None)


async def test_what_is_not_settled_is_refused_unless_it_is_asked_for(
    whopays: Whopays, playground: Installation, told: Told, tmp_path: Path
) -> None:
    file = tmp_path / "intervals.csv"
    period = ("export", "intervals", "--from", told.changes[0], "--until", "9999-01-01T00:00:00Z")
    words = (*period, "--format", "csv", "--organization", "told", "--out", str(file))
    refused = (await whopays(*words)).expect(1)
    assert "until 9999-01-01T00:00:00.000000Z is not settled: the organization told is closed up to 2" in refused.err
    assert _beside(tmp_path) == {}

    (await whopays(*words, "--unsettled")).expect(0)
    ended, lasting = _read(file)[1], _read(file)[-1]
    assert (lasting["ChargePeriodEnd"], lasting["x_Settled"]) == ("", "false")
    assert ended["ChargePeriodEnd"] == told.changes[1]
    assert json.loads((tmp_path / "intervals.csv.manifest.json").read_text())["settled"] is False

    again = (*words, "--unsettled", "--force")
    other = await whopays(*again, WHOPAYS_INSTALLATION="other")
    assert "belongs to the installation" in other.expect(1).err
    reading = f"{playground.settings.database_url}?options=-c%20default_transaction_read_only%3Don"
    (await whopays(*again, WHOPAYS_DATABASE_URL=reading)).expect(0)


async def test_a_file_is_replaced_as_a_whole_and_only_if_that_is_asked_for(
    whopays: Whopays, told: Told, tmp_path: Path
) -> None:
    file = tmp_path / "intervals.parquet"
    file.write_bytes(b"of last month")
    words = ("--format", "parquet", "--out", str(file))
    refused = await whopays("export", "intervals", "--from", told.changes[0], "--until", told.changes[1], *words)
    assert "exists already. Overwrite it with --force" in refused.expect(1).err
    unreachable = await whopays(
        "export", "intervals", "--from", told.changes[0], "--until", told.changes[1], *words, "--force",
        WHOPAYS_DATABASE_URL="postgresql://127.0.0.1:1/x",
    )  # fmt: skip
    unreachable.expect(1)
    assert _beside(tmp_path) == {file.name: b"of last month"}
    await exported(whopays, told.changes[0], told.changes[1], *words, "--force")
    # Of the whole installation: those of other tests too, in the order of their organizations.
    rows, manifest = _read(file), json.loads(file.with_name(f"{file.name}.manifest.json").read_text())
    assert [row["x_Project"] for row in rows if row["x_Organization"] == "told"] == ["api", "web"]
    assert len(manifest["asOf"]) > 1
    assert manifest["organization"] is None


async def test_an_empty_period_or_parquet_on_standard_output_is_a_mistyped_command(whopays: Whopays) -> None:
    words = ("export", "intervals", "--from", "2027-01-01T00:00:00Z")
    empty = await whopays(*words, "--until", "2027-01-01T01:00:00+01:00", "--format", "csv")
    assert "the period is empty" in empty.expect(2).err
    parquet_there = await whopays(*words, "--until", "2027-02-01T00:00:00Z", "--format", "parquet")
    assert "--out" in parquet_there.expect(2).err


async def test_parquet_says_what_it_needs(
    whopays: Whopays, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    words = ("export", "intervals", "--from", told.changes[0], "--until", told.changes[1])
    ended = await whopays(*words, "--format", "parquet", "--out", str(tmp_path / "x.parquet"))
    assert "pip install '.[export]'" in ended.expect(1).err
    assert _beside(tmp_path) == {}
