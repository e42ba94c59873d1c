"""Tax numbers (docs/contract.md section 9): valid for their country, stored in one compact form."""

import re
from collections.abc import Iterator

from schemas.regions import TaxNumberChecks, TaxNumberForm, tax_number_checks
from schemas.tax_checks import passes, validator

UNCHECKED_MAX_CHARACTERS = 40

_SEPARATORS = re.compile(r"[\s.,:/'\u2019\u2010-\u2015\u2212-]+")


class WrongTaxNumber(ValueError):
    """The country issues no such number; the message says what is expected and quotes nothing."""


def compact_tax_number(country: str, number: str) -> str:
    """Return the form in which a tax number of `country` (ISO 3166-1 alpha-2) is stored.

    However it is spelled (with or without the country's prefix, in groups or not), a registration has one compact form:
    that of python-stdnum, mostly without the prefix. If no check is known for the country, the number is returned
    unchanged. Raise WrongTaxNumber.
    """
    checks = tax_number_checks(country)
    if checks is None:
        if not number.strip() or len(number) > UNCHECKED_MAX_CHARACTERS:
            raise WrongTaxNumber(f"must be text of 1 to {UNCHECKED_MAX_CHARACTERS} characters")
        return number
    for compact in _readings(checks, _SEPARATORS.sub("", number).upper()):
        if compact is not None:
            return compact
    raise WrongTaxNumber(f"must be a tax number that is valid in {country}")


def _readings(checks: TaxNumberChecks, bare: str) -> Iterator[str | None]:
    # Without prefix first, because the library leaves some in place (the Romanian RO); then as sent, because the
    # letters may be part of the number; then with prefix, because some are incomplete without it (the Swiss CHE).
    as_sent = [*(bare.removeprefix(prefix) for prefix in checks.prefixes if bare.startswith(prefix)), bare]
    completed = [prefix + bare for prefix in checks.prefixes]
    for module in checks.vat:
        yield from (_of_library(module, spelling) for spelling in (*as_sent, *completed))
    for module in checks.own:
        yield _of_library(module, bare)
    for form in checks.forms:
        yield from (_of_form(form, spelling) for spelling in as_sent)


def _of_library(module: str, spelling: str) -> str | None:
    try:
        return validator(module)(spelling)
    except (ValueError, LookupError):
        return None


def _of_form(form: TaxNumberForm, spelling: str) -> str | None:
    match = form.pattern.fullmatch(spelling)
    if match is None:
        return None
    groups = match.groupdict()
    kept = groups.get("kept", spelling)
    if form.check is not None and not passes(form.check, groups.get("checked", kept)):
        return None
    return kept
