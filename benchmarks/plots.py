"""Drawings of what `all --json` wrote, as SVG: the same results make the same bytes.

Colours are such that they can be read on white and on black, and the background is left to the page.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from workers.runtime.roles import Role

_BLUE, _ORANGE, _PURPLE, _GREY = "#2f81f7", "#d9722b", "#9a6bdf", "#7d8590"
STYLE = {
    "svg.hashsalt": "whopays",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": _GREY,
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlecolor": _GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GREY,
    "grid.alpha": 0.25,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "legend.frameon": False,
}
_CONTENDERS = {"straightforward": _ORANGE, "batches of one": _PURPLE, "whopays": _BLUE, "floor": _GREY}

Workload = Mapping[str, Any]


def draw(results: Path, folder: Path) -> list[Path]:
    """Draw each workload that the results have and that has a drawing; return the files."""
    document = orjson.loads(results.read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with style.context(STYLE):
        for (workload, name), drawing in _DRAWINGS.items():
            if workload in document["workloads"]:
                figure = drawing(document["workloads"][workload], document["percentiles"])
                path = folder / f"{name}.svg"
                figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
                drawn.append(path)
    return drawn


def _throughput(workload: Workload, _: Sequence[float]) -> Figure:
    figure, axes = _figure("Rebinding commands per second, end to end (logarithmic)", height=2.6)
    names = [name for name in _CONTENDERS if name in workload["rounds"]]
    for place, name in enumerate(reversed(names)):
        rates = _rates(workload, name)
        middle = median(rates)
        axes.barh(place, middle, height=0.62, color=_CONTENDERS[name])
        if len(rates) > 1:
            axes.plot([min(rates), max(rates)], [place, place], color=_GREY, linewidth=1.5, marker="|")
        axes.text(max(rates) * 1.12, place, f"{middle:,.0f}", va="center")
    axes.set_xscale("log")
    axes.set_xlim(10, max(_rates(workload, name)[0] for name in names) * 4)
    axes.set_yticks(range(len(names)), reversed(names))
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(_THOUSANDS)
    return figure


def _latency(workload: Workload, percentiles: Sequence[float]) -> Figure:
    figure, axes = _figure("Milliseconds from acknowledgement until seen (logarithmic)", height=3.4)
    for name, latency in workload["latencies"].items():
        axes.plot(
            [seconds * 1e3 for seconds in latency["curve"]],
            percentiles,
            color=_BLUE if name.startswith("whopays") else _GREY,
            linestyle="-" if name.endswith(" 10%") else "--",
            label=name,
        )
    axes.set_xscale("log")
    axes.set_ylabel("percent of commands")
    axes.set_ylim(0, 101)
    _round_ticks(axes, [seconds * 1e3 for one in workload["latencies"].values() for seconds in one["curve"]])
    axes.legend(loc="upper left")
    return figure


def _growth(workload: Workload, _: Sequence[float]) -> Figure:
    names = list(workload["rounds"])
    projects = [int(name.split()[0].replace(",", "")) for name in names]
    figure = Figure(figsize=(8, 3), layout="constrained")
    rates, memory = figure.subplots(1, 2)
    _curve(rates, projects, [_rates(workload, name) for name in names])
    rates.set_title("Commands per second")
    used = [
        [one["usage"][Role.ADMIN_COMMANDS]["peak_bytes"] / 2**20 for one in workload["rounds"][name]] for name in names
    ]
    _curve(memory, projects, used)
    memory.set_title("Memory of the worker in MiB")
    for axes in (rates, memory):
        axes.set_xscale("log")
        axes.set_xlabel("projects in the database")
        axes.set_xticks(projects, [f"{number:,}" for number in projects])
        axes.xaxis.set_minor_locator(NullLocator())
    return figure


def _processes(workload: Workload, _: Sequence[float]) -> Figure:
    figure, axes = _figure("Commands per second", height=3)
    names = list(workload["rounds"])
    workers = [int(name.split()[0]) for name in names]
    _curve(axes, workers, [_rates(workload, name) for name in names])
    axes.set_xlabel("worker processes beside one relay")
    axes.set_xticks(workers)
    return figure


def _huge(workload: Workload, _: Sequence[float]) -> Figure:
    figure, axes = _figure("Small organizations, milliseconds until seen (logarithmic)", height=3)
    latencies = workload["latencies"]
    for place, name in enumerate(reversed(latencies)):
        latency = latencies[name]
        color = _GREY if name.endswith("alone") else _BLUE
        axes.barh(place, latency["p99"] * 1e3, height=0.62, color=color, alpha=0.35)
        axes.barh(place, latency["median"] * 1e3, height=0.62, color=color)
    axes.set_xscale("log")
    axes.set_xlabel("median, and paler the 99th percentile")
    axes.set_yticks(range(len(latencies)), reversed(latencies))
    axes.grid(visible=False, axis="y")
    _round_ticks(axes, [seconds * 1e3 for one in latencies.values() for seconds in (one["median"] / 4, one["p99"])])
    return figure


def _figure(title: str, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def _curve(axes: Axes, places: Sequence[int], values: Sequence[Sequence[float]]) -> None:
    """Draw the medians, joined, and what they lie between."""
    for place, found in zip(places, values, strict=True):
        axes.plot([place] * len(found), found, color=_BLUE, alpha=0.35, linestyle="", marker="o", markersize=4)
    axes.plot(places, [median(found) for found in values], color=_BLUE, marker="o")
    axes.set_ylim(0, max(map(max, values)) * 1.15)
    axes.yaxis.set_major_formatter(_THOUSANDS)


def _round_ticks(axes: Axes, values: Sequence[float]) -> None:
    """Write plain numbers (1, 2, 5, 10 …) on a logarithmic axis that spans the values."""
    low, high = min(value for value in values if value > 0), max(values)
    ticks = [step * 10.0**power for power in range(-1, 6) for step in (1, 2, 5)]
    axes.set_xlim(low / 1.1, high * 1.1)
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_major_formatter(_THOUSANDS)
    axes.xaxis.set_minor_formatter(NullFormatter())


def _rates(workload: Workload, name: str) -> list[float]:
    return [one["per_second"] for one in workload["rounds"][name]]


_THOUSANDS = FuncFormatter(lambda number, _: f"{number:,g}")
_DRAWINGS: Mapping[tuple[str, str], Callable[[Workload, Sequence[float]], Figure]] = {
    ("rebinding", "throughput"): _throughput,
    ("paced", "latency"): _latency,
    ("growth", "growth"): _growth,
    ("huge", "huge"): _huge,
    ("processes", "processes"): _processes,
}
"""By workload and name of the file."""
