"""The report of a soak: tables on the terminal and in Markdown, and a drawing."""

from collections import defaultdict
from pathlib import Path
from statistics import median

import orjson
from matplotlib import style
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.plots import STYLE
from tests.soak.running import Broken, Outcome

_COLOURS = ("#2f81f7", "#d9722b", "#9a6bdf")
_GREY = "#7d8590"
_MB = 1024 * 1024


def by_kind(broken: list[Broken]) -> dict[str, list[float]]:
    """Return the seconds of recovery by kind of mishap."""
    found = defaultdict(list)
    for one in broken:
        found[one.mishap].append(one.recovery_seconds)
    return dict(sorted(found.items()))


def show(outcome: Outcome, console: Console) -> None:
    """Show an outcome on the terminal."""
    table = Table("what broke", "times", "recovery, median s", "longest s", title=f"Soak of seed {outcome.seed}")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, seconds in by_kind(outcome.broken).items():
        table.add_row(kind, str(len(seconds)), f"{median(seconds):.1f}", f"{max(seconds):.1f}")
    console.print(table)
    console.print(summary(outcome))
    for wrong in outcome.wrong:
        console.print(f"[red]{wrong}[/]", highlight=False)
    console.print(
        "[green]Nothing was lost and nothing doubled.[/]" if not outcome.wrong else "[red]Something is wrong.[/]"
    )


def summary(outcome: Outcome) -> str:
    """Return the summary, one sentence."""
    seconds = [one.recovery_seconds for one in outcome.broken] or [0.0]
    return (
        f"{outcome.minutes:.0f} minutes, {outcome.records:,} records acknowledged ({outcome.commands:,} commands; of "
        f"{outcome.doubtful:,} more nobody knew whether they had arrived), {len(outcome.broken)} mishaps of "
        f"{len(by_kind(outcome.broken))} kinds, {outcome.restarts} restarts of processes, recovery "
        f"{median(seconds):.1f} s median and {max(seconds):.1f} s at most, {outcome.audits} audits: "
        + (
            "nothing lost, nothing doubled."
            if not outcome.wrong
            else f"{len(outcome.wrong)} finding{'' if len(outcome.wrong) == 1 else 's'}."
        )
    )


def write(outcome: Outcome, folder: Path) -> None:
    """Write `soak.json`, `soak.md` and `soak.svg` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "soak.json").write_bytes(orjson.dumps(outcome.document(), option=orjson.OPT_INDENT_2) + b"\n")
    lines = ["| what broke | times | recovery, median | longest |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {kind} | {len(seconds)} | {median(seconds):.1f} s | {max(seconds):.1f} s |"
        for kind, seconds in by_kind(outcome.broken).items()
    ]
    (folder / "soak.md").write_text("\n".join([summary(outcome), "", *lines]) + "\n", encoding="utf-8")
    with style.context(STYLE):
        drawing(outcome).savefig(folder / "soak.svg", transparent=True, metadata={"Date": None, "Creator": None})


def drawing(outcome: Outcome) -> Figure:
    """Draw memory, connections and acknowledged records over time, with a line wherever something broke."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    memory, connections, records = figure.subplots(3, sharex=True)
    minutes = [sample.seconds / 60 for sample in outcome.samples]
    for kind, colour in zip(outcome.samples[0].memory, _COLOURS, strict=False):
        megabytes = [sample.memory[kind] / _MB for sample in outcome.samples]
        memory.plot(minutes, megabytes, color=colour, label=kind, linewidth=1)
    memory.set_title("Memory of the largest process, MB")
    memory.legend(loc="lower right", ncols=2)
    known = [(at, sample.connections) for at, sample in zip(minutes, outcome.samples, strict=True)]
    connections.plot(
        [at for at, _ in known], [count if count is not None else float("nan") for _, count in known], linewidth=1
    )
    connections.set_title("Sessions of whopays at PostgreSQL")
    records.plot(minutes, [sample.acknowledged / 1000 for sample in outcome.samples], color=_COLOURS[1], linewidth=1)
    records.set_title("Records acknowledged, thousands")
    records.set_xlabel("minutes; a line wherever something broke")
    for axes in (memory, connections, records):
        axes.set_ylim(bottom=0)
        for one in outcome.broken:
            axes.axvline(one.began / 60, color=_GREY, alpha=0.25, linewidth=0.5)
    return figure
