"""The numbers with which python-stdnum documents its checks: accepted in every spelling, or refused, here too."""

import re
from collections.abc import Iterator
from doctest import DocTestParser
from importlib import import_module

import pytest

from schemas.regions import tax_number_checks
from schemas.tax_numbers import WrongTaxNumber, compact_tax_number
from schemas.territories import COUNTRIES

# Mexican check digits are checked here, and not by the library's default.
WITHOUT_CHECK_DIGITS = {"COMG-600703", "VACE-460910-SX6"}
# Ecuador has stopped giving public bodies a check digit (docs/decisions/0018-tax-numbers-beyond-the-library.md).
ISSUED_ANYWAY = {"1763154690001"}


def _examples() -> Iterator[tuple[str, str, str]]:
    for country in sorted(COUNTRIES):
        checks = tax_number_checks(country)
        for module in () if checks is None else (*checks.vat, *checks.own):
            for example in DocTestParser().get_examples(import_module(f"stdnum.{module}").__doc__ or ""):
                number = re.match(r"validate\('([^']+)'\)", example.source)
                if number is not None:
                    yield country, number[1], example.exc_msg or ""


RIGHT = [(country, number) for country, number, error in _examples() if not error]
WRONG = [(country, number) for country, number, error in _examples() if error.startswith("InvalidChecksum")]


def test_there_are_examples() -> None:
    assert len(RIGHT) > 150
    assert len(WRONG) > 60


@pytest.mark.parametrize("country", sorted({country for country, _ in RIGHT}))
def test_right_numbers_are_accepted_in_every_spelling(country: str) -> None:
    for number in (number for of, number in RIGHT if of == country):
        _is_accepted(country, number)


def _is_accepted(country: str, number: str) -> None:
    if number in WITHOUT_CHECK_DIGITS:
        with pytest.raises(WrongTaxNumber):
            compact_tax_number(country, number)
        return
    checks = tax_number_checks(country)
    assert checks is not None
    kept = compact_tax_number(country, number)
    for spelling in (kept, kept.lower(), " ".join(kept), f" {number}\t"):
        assert compact_tax_number(country, spelling) == kept
    if not any(_is_of(module, kept) for module in checks.own):
        for prefix in checks.prefixes:
            assert compact_tax_number(country, prefix + kept) == kept


@pytest.mark.parametrize("country", sorted({country for country, _ in WRONG}))
def test_wrong_check_digits_are_refused(country: str) -> None:
    for number in (number for of, number in WRONG if of == country):
        if number in ISSUED_ANYWAY:
            assert compact_tax_number(country, number) == number
        else:
            with pytest.raises(WrongTaxNumber):
                compact_tax_number(country, number)


def _is_of(module: str, number: str) -> bool:
    valid: bool = import_module(f"stdnum.{module}").is_valid(number)
    return valid
