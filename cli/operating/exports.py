"""`whopays export`: its options. The implementation is imported on call, so that completion is fast."""

from pathlib import Path
from typing import Annotated

import typer

from cli.operating.files import FormatName
from cli.terminal.ending import Misused, importing
from cli.terminal.names import instant_named


def intervals(
    begins: Annotated[str, typer.Option("--from", metavar="INSTANT", help="The beginning of the period (inclusive).")],
    ends: Annotated[str, typer.Option("--until", metavar="INSTANT", help="The end of the period (exclusive).")],
    form: Annotated[FormatName, typer.Option("--format", help="The format of the file.")],
    out: Annotated[
        str, typer.Option(metavar="FILE", help="The file to write, - for standard output (not for parquet).")
    ] = "-",
    organization: Annotated[
        str | None, typer.Option(metavar="ORG", help="Only this organization.", show_default="all")
    ] = None,
    may_be_unsettled: Annotated[
        bool, typer.Option("--unsettled", help="Also write a period that is not final yet: never invoice it.")
    ] = False,
    may_overwrite: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
) -> None:
    """Write who paid for which project within a period: as Parquet, CSV or NDJSON.

    One snapshot, with the columns of FOCUS 1.2. FILE.manifest.json beside FILE describes its content. A period that is
    not settled yet is refused.
    """
    period = instant_named("--from", begins), instant_named("--until", ends)
    if period[0] >= period[1]:
        raise Misused(f"--until {ends} is not after --from {begins}: the period is empty.")
    file = None if out == "-" else Path(out)
    if file is None and form == "parquet":
        raise Misused("Parquet is not written to standard output: name a file with --out, or choose another --format.")
    with importing():
        from cli.operating.intervals import ExportRequest, export  # noqa: PLC0415 - see above

    asked = ExportRequest(*period, organization, form, may_be_unsettled=may_be_unsettled, may_overwrite=may_overwrite)
    export(asked, file)
