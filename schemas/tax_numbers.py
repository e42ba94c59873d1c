"""Tax numbers (docs/contract.md section 9): valid for their country, kept in one compact form."""

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module

from schemas.regions import TaxNumberChecks, tax_number_checks

UNCHECKED_MAX_CHARACTERS = 40

_SEPARATORS = re.compile(r"[\s.,:/'\u2019\u2010-\u2015\u2212-]+")


class WrongTaxNumber(ValueError):
    """The number is none of its country; the message says what would be and quotes nothing."""


def compact_tax_number(country: str, number: str) -> str:
    """Return the one form in which a tax number of `country` (ISO 3166-1 alpha-2) is kept.

    However it is spelled (with the country's prefix or without, in groups or not), a registration has one compact form:
    that of python-stdnum, mostly without prefix. What has no known check for its country is given back as it is.
    Raises WrongTaxNumber.
    """
    checks = tax_number_checks(country)
    if checks is None:
        if not number.strip() or len(number) > UNCHECKED_MAX_CHARACTERS:
            raise WrongTaxNumber(f"must be text of 1 to {UNCHECKED_MAX_CHARACTERS} characters")
        return number
    bare = _SEPARATORS.sub("", number).upper()
    for module, spelling in _attempts(checks, bare):
        compact = _validated(module, spelling)
        if compact is not None:
            return compact
    if any(pattern.fullmatch(bare) for pattern in checks.formats):
        return bare
    raise WrongTaxNumber(f"must be a tax number that is valid in {country}")


def _attempts(checks: TaxNumberChecks, bare: str) -> Iterator[tuple[str, str]]:
    # Without prefix first, because the library leaves some in place (the Romanian RO); then as it stands, because the
    # letters may be part of the number; then with prefix, because some are not complete without (the Swiss CHE).
    spellings = [
        *(bare.removeprefix(prefix) for prefix in checks.prefixes if bare.startswith(prefix)),
        bare,
        *(prefix + bare for prefix in checks.prefixes),
    ]
    for module in checks.vat:
        yield from ((module, spelling) for spelling in spellings)
    for module in checks.own:
        yield module, bare


def _validated(module: str, spelling: str) -> str | None:
    try:
        return _validator(module)(spelling)
    except (ValueError, LookupError):
        # Besides its ValidationError, a ValueError, the library stumbles over some letters where digits belong.
        return None


@cache
def _validator(module: str) -> Callable[[str], str]:
    # Imported when a number of the country is first seen: a worker would start more slowly with all of them.
    validate: Callable[..., str] = import_module(f"stdnum.{module}").validate
    return partial(_validated_rfc, validate) if module == "mx.rfc" else validate


def _validated_rfc(validate: Callable[..., str], spelling: str) -> str:
    # The library takes the first ten characters of a person's RFC too, which hold no check digit yet.
    if len(spelling) <= len("VACE460910"):
        raise ValueError("without homoclave")
    return validate(spelling, validate_check_digits=True)
