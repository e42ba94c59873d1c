"""The country tables (docs/contract.md section 9), read from `regions.json`, which cites its sources."""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from schemas.immutable import dataclass
from schemas.territories import NUMERIC_CODES


@dataclass(frozen=True, slots=True)
class TaxNumberForm:
    """A form of tax numbers that the library does not know.

    `pattern` matches a whole number; its group `kept`, if any, is what is stored. `check` names the check
    (schemas/tax_checks.py) of its group `checked`, or of the whole number; None if the issuer has published no check.
    """

    pattern: re.Pattern[str]
    check: str | None


@dataclass(frozen=True, slots=True)
class TaxNumberChecks:
    """The checks of a country's tax numbers.

    `vat` and `own` name modules below `stdnum`. Numbers of `vat` and of `forms` may carry one of `prefixes`, the
    country's code among them. Those of `own` may not: a SIREN with FR in front is a French VAT number without its key.
    """

    vat: tuple[str, ...]
    own: tuple[str, ...]
    prefixes: tuple[str, ...]
    forms: tuple[TaxNumberForm, ...]


@cache
def countries_of_standard(standard: str) -> frozenset[str]:
    """Return the countries (ISO 3166-1 alpha-2) that an e-invoicing standard belongs to. Raise KeyError if unknown."""
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
    """Return the checks of a country's tax numbers, or None if no check is known."""
    entry = _tables()["taxNumbers"]["countries"].get(country)
    if entry is None:
        return None
    return TaxNumberChecks(
        vat=tuple(entry["vat"]),
        own=tuple(entry.get("own", ())),
        prefixes=(*entry.get("prefixes", ()), country),
        forms=(
            *(TaxNumberForm(re.compile(form["pattern"]), form.get("check")) for form in entry.get("forms", ())),
            *_one_stop_forms(country),
        ),
    )


def _one_stop_forms(country: str) -> Iterator[TaxNumberForm]:
    one_stop, groups = _tables()["taxNumbers"]["oneStop"], _tables()["groups"]
    digits = one_stop["besides"].get(country)
    if country in groups[one_stop["group"]]["countries"]:
        digits = NUMERIC_CODES[country]
    if digits is not None:
        for pattern in one_stop["patterns"]:
            yield TaxNumberForm(re.compile(pattern.replace("{state}", digits)), check=None)


@cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = json.loads(files("schemas").joinpath("regions.json").read_text("utf-8"))
    return tables
