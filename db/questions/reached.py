"""SQL conditions for what a caller can reach (docs/contract.md section 12).

Lists query an index by spans: in byte order a name is a span, and so are all names with a common prefix. Rows found in
other ways are compared with names and prefixes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.reach import EVERYTHING, Reach, reach_of
from schemas.askers import EVERY_ORGANIZATION, Asker, Names

AFTER_ALL = "{"
"""Sorts after all characters of names: a prefix followed by it sorts after all names with that prefix."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans of names in order, both ends inclusive; they do not overlap."""

    lows: list[str]
    highs: list[str]


def spans_of(names: tuple[Names, ...] | None, after: str = "") -> Spans:
    """Return lists of names as spans, without spans that end at or before `after`; None stands for all names."""
    if names is None:
        return Spans([""], [AFTER_ALL])
    given = [(name, name) for each in names for name in each.exact]
    given += [(prefix, prefix + AFTER_ALL) for each in names for prefix in each.prefixes]
    spans = Spans([], [])
    for low, high in sorted(given):
        if high <= after:
            continue
        if spans.highs and low <= spans.highs[-1]:
            spans.highs[-1] = max(high, spans.highs[-1])
        else:
            spans.lows.append(low)
            spans.highs.append(high)
    return spans


def reached_values(reach: Reach) -> dict[str, list[str]]:
    """Return the values of the parameters of `is_seen`."""
    return {
        "seen_projects": _exact(reach.projects),
        "seen_project_prefixes": _prefixes(reach.projects),
        "seen_accounts": _exact(reach.accounts),
        "seen_account_prefixes": _prefixes(reach.accounts),
    }


@dataclass(frozen=True, slots=True)
class Reached:
    """What a caller can reach in one or all organizations, granted for an organization's name or for `*`."""

    everywhere: Reach
    elsewhere: tuple[tuple[str, Reach], ...] = ()

    @classmethod
    def of_all(cls, asker: Asker) -> "Reached | None":
        """Return what a caller can reach in all organizations; None if it was not granted `*`."""
        everywhere = reach_of(asker, EVERY_ORGANIZATION)
        if everywhere is None:
            return None
        named = sorted({grant.organization for grant in asker.grants or ()} - {EVERY_ORGANIZATION})
        reaches = [(name, reach_of(asker, name)) for name in named]
        return cls(everywhere, tuple((name, reach) for name, reach in reaches if reach is not None))

    @property
    def is_everything(self) -> bool:
        """Whether nothing is out of reach."""
        return self.everywhere.is_everything

    def values(self) -> dict[str, list[str]]:
        """Return the span parameters: for each span its organization, or `*`, and its ends."""
        found: dict[str, list[str]] = {}
        each = ((EVERY_ORGANIZATION, self.everywhere), *self.elsewhere)
        for kind in ("project", "account"):
            spans = [(organization, spans_of(getattr(reach, f"{kind}s"))) for organization, reach in each]
            found[f"{kind}_organizations"] = [name for name, span in spans for _ in span.lows]
            found[f"{kind}_lows"] = [low for _, span in spans for low in span.lows]
            found[f"{kind}_highs"] = [high for _, span in spans for high in span.highs]
        return found


EVERYWHERE = Reached(EVERYTHING)


def is_within(kind: str, name: str, organization: str = "organization") -> str:
    """Return the SQL that tests whether a `project` or `account` name of an organization is within `Reached.values`."""
    lists = ", ".join(f"CAST(:{kind}_{each} AS text[])" for each in ("organizations", "lows", "highs"))
    return f"""EXISTS (
        SELECT FROM unnest({lists}) AS span(whose, low, high)
        WHERE span.whose IN ('{EVERY_ORGANIZATION}', {organization})
            AND CAST({name} AS text) COLLATE "C" BETWEEN span.low AND span.high
    )"""


def is_seen(project: str | None, *accounts: str) -> str:
    """Return the SQL for `domain.reach.Reach.sees`: the project, or one of the accounts, is within reach."""
    kinds = [("project", project)] if project else []
    kinds += [("account", account) for account in accounts]
    return f"({' OR '.join(_is_reached(kind, name) for kind, name in kinds)})"


def _is_reached(kind: str, name: str) -> str:
    return (
        f"coalesce({name} = ANY(CAST(:seen_{kind}s AS text[]))"
        f" OR {name} ^@ ANY(CAST(:seen_{kind}_prefixes AS text[])), false)"
    )


def _exact(names: tuple[Names, ...] | None) -> list[str]:
    return sorted({name for each in names or () for name in each.exact})


def _prefixes(names: tuple[Names, ...] | None) -> list[str]:
    return [""] if names is None else _unique(prefix for each in names for prefix in each.prefixes)


def _unique(names: Iterable[str]) -> list[str]:
    return sorted(set(names))
