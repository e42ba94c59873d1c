"""The country tables (docs/contract.md section 9): `regions.json` says what holds where, and where that is from."""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from schemas.immutable import dataclass


@dataclass(frozen=True, slots=True)
class TaxNumberChecks:
    """What a country's tax numbers are checked with.

    `vat` and `own` name modules below `stdnum`; numbers of the former may carry one of `prefixes`, the country's code
    among them. `formats` match whole numbers for which no check digit is known.
    """

    vat: tuple[str, ...]
    own: tuple[str, ...]
    prefixes: tuple[str, ...]
    formats: tuple[re.Pattern[str], ...]


@cache
def countries_of_standard(standard: str) -> frozenset[str]:
    """Return the countries (ISO 3166-1 alpha-2) that an e-invoicing standard belongs to. Raises KeyError if unknown."""
    entry = _tables()["eInvoicing"][standard]
    groups = _tables()["groups"]
    countries = set(entry.get("countries", ()))
    return frozenset(countries.union(*(groups[group]["countries"] for group in entry.get("groups", ()))))


@cache
def participant_schemes() -> frozenset[str]:
    """Return the four-digit scheme codes that a Peppol participant identifier may begin with."""
    return frozenset(_tables()["participantSchemes"]["codes"])


@cache
def tax_number_checks(country: str) -> TaxNumberChecks | None:
    """Return what a country's tax numbers are checked with, or None where no check is known."""
    entry = _tables()["taxNumbers"]["countries"].get(country)
    if entry is None:
        return None
    return TaxNumberChecks(
        vat=tuple(entry["vat"]),
        own=tuple(entry.get("own", ())),
        prefixes=(*entry.get("prefixes", ()), country),
        formats=tuple(re.compile(pattern) for pattern in entry.get("formats", {}).values()),
    )


@cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = json.loads(files("schemas").joinpath("regions.json").read_text("utf-8"))
    return tables
