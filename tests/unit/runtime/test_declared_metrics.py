"""Every metric is declared, by the conventions, in one module: nothing is counted, or told in the docs, beside it."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from audit.metrics import AuditMetrics
from service.metrics import ServiceMetrics
from tests.support.metrics import declared_of, told_families
from tests.support.packages import PACKAGES, ROOT
from workers.runtime.declared_metrics import METRICS
from workers.runtime.instruments import Instruments
from workers.runtime.metric import Kind, Metric
from workers.runtime.metric_table import metrics_table
from workers.runtime.metrics import Metrics
from workers.runtime.roles import ALL_ROLES, AUDIT, SERVE

_KINDS_OF_LIBRARY = frozenset({"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"})
_NOT_METRICS = frozenset({"whopays_client", "whopays_bound"})
"""Other things whose names begin in the same way: a package, and the mark of a role in the database."""
_OTHER_UNITS = ("minutes", "hours", "days", "ms", "milliseconds", "micros", "kb", "mb", "kilobytes", "percent")

of_each = pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)


@of_each
def test_a_metric_is_named_by_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"whopays(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert not metric.name.endswith(("_created", "_count", "_sum", "_bucket", "_info")) or metric.name.endswith(
        "build_info"
    )
    assert not set(metric.name.split("_")) & set(_OTHER_UNITS), "seconds and bytes are the base units"
    assert not metric.help[0].islower()
    assert not metric.help.endswith(".")
    assert metric.roles
    for label in metric.labels:
        assert re.fullmatch(r"[a-z]+", label.name)
        assert bool(label.values) != bool(label.bound), "its values are known, or what bounds them is said"
        assert label.name not in ("le", "instance", "job")


def test_a_name_is_declared_once() -> None:
    tree = ast.parse((ROOT / "workers" / "runtime" / "declared_metrics.py").read_text(encoding="utf-8"))
    names = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and str(node.value).startswith("whopays_")
    ]
    assert Counter(names) == Counter(list(METRICS))


def test_no_metric_is_made_beside_the_declared_ones() -> None:
    makers = [
        str(file.relative_to(ROOT))
        for file in _product()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("prometheus_client")
        and {name.name for name in node.names} & _KINDS_OF_LIBRARY
    ]
    assert makers == ["workers/runtime/instruments.py"]


def test_an_undeclared_name_cannot_be_counted() -> None:
    with pytest.raises(KeyError):
        Instruments(ALL_ROLES).counter("whopays_surprises_total")


@pytest.mark.parametrize("roles", (*((role,) for role in ALL_ROLES), ALL_ROLES, (SERVE,), (AUDIT,)))
@pytest.mark.parametrize("checks_tokens", (True, False))
def test_a_process_has_what_is_declared_for_its_roles(roles: tuple[str, ...], *, checks_tokens: bool) -> None:
    told = told_families(generate_latest(Instruments(roles, checks_tokens=checks_tokens).registry).decode())
    assert set(told) == declared_of(roles, checks_tokens=checks_tokens)
    for name, family in told.items():
        assert (family.type, family.documentation) == (METRICS[name].kind, METRICS[name].help)


def test_all_series_that_can_be_known_are_there_from_the_start() -> None:
    told = told_families(generate_latest(Instruments(ALL_ROLES).registry).decode())
    for name, family in told.items():
        metric = METRICS[name]
        if any(label.bound for label in metric.labels):
            continue
        for label in metric.labels:
            found = {sample.labels[label.name] for sample in family.samples}
            assert found == set(metric.known_values(label, ALL_ROLES)), name
        assert family.samples, name


def test_units_are_told_to_those_who_read_openmetrics() -> None:
    text = generate_openmetrics(Metrics().registry).decode()  # type: ignore[no-untyped-call]
    for family in read_openmetrics(text):  # type: ignore[no-untyped-call]
        metric = METRICS.get(family.name) or METRICS.get(f"{family.name}_total")
        if metric is not None:
            assert family.unit == (metric.unit or "")


def test_the_table_in_the_docs_is_what_is_declared() -> None:
    assert metrics_table() in (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_every_metric_that_a_page_names_is_declared(page: Path) -> None:
    named = set(re.findall(r"\bwhopays_[a-z_]*[a-z]", page.read_text(encoding="utf-8"))) - _NOT_METRICS
    histograms = {
        f"{name}{part}"
        for name, one in METRICS.items()
        if one.kind is Kind.HISTOGRAM
        for part in ("_bucket", "_sum", "_count")
    }
    assert named <= METRICS.keys() | histograms


def test_the_console_shows_metrics_that_a_server_tells() -> None:
    page = (ROOT / "service" / "console" / "static" / "pages" / "health.js").read_text(encoding="utf-8")
    named = set(re.findall(r"whopays_[a-z_]+", page))
    assert named
    assert named <= declared_of((SERVE,))


def test_instruments_of_each_process_have_names_and_kinds_that_are_declared() -> None:
    # To ask for a name that is not declared, or of another kind, would raise.
    for made in (Metrics(), ServiceMetrics(), AuditMetrics()):
        assert "whopays_build_info" in told_families(generate_latest(made.registry).decode())


def _product() -> Iterator[Path]:
    for package in sorted(PACKAGES):
        yield from sorted((ROOT / package).rglob("*.py"))
