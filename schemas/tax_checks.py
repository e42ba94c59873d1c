"""The checks of tax numbers, by the names that `regions.json` uses for them.

Most are python-stdnum's: `de.vat` is `stdnum.de.vat.validate`; `ar.cuit.calc_check_digit` is that function, whose
result must equal the last digit. The rest are rules that the library lacks.
"""

from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import Any

_GSTIN_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_RFC_WITHOUT_HOMOCLAVE = len("VACE460910")


@cache
def validator(module: str) -> Callable[[str], str]:
    """Return the function of a module below `stdnum` that validates a number and compacts it.

    It raises ValueError, or LookupError where the library fails on a letter in place of a digit.
    """
    # Imported with the first number of the country: importing all of them would slow down the start of workers.
    validate: Callable[..., str] = import_module(f"stdnum.{module}").validate
    return partial(_validated_rfc, validate) if module == "mx.rfc" else validate


def passes(check: str, text: str) -> bool:
    """Return whether a text passes the named check."""
    try:
        return _check(check)(text)
    except (ValueError, LookupError):
        return False


@cache
def _check(name: str) -> Callable[[str], bool]:
    if name in _OWN:
        return _OWN[name]
    package, module, *function = name.split(".")
    if not function:
        return lambda text: bool(validator(name)(text))
    calculate: Callable[[str], str] = getattr(import_module(f"stdnum.{package}.{module}"), function[0])
    return lambda text: calculate(text[:-1]) == text[-1]


def _validated_rfc(validate: Callable[..., str], spelling: str) -> str:
    # The library also accepts the first ten characters of a person's RFC, which lack the check digit.
    if len(spelling) <= _RFC_WITHOUT_HOMOCLAVE:
        raise ValueError("without homoclave")
    return validate(spelling, validate_check_digits=True)


def _gstin(text: str) -> bool:
    # The last character of every kind of GSTIN, by Luhn's algorithm over digits and letters.
    valid: bool = _stdnum("luhn").is_valid(text, _GSTIN_ALPHABET)
    return valid


def _ubn(text: str) -> bool:
    # A seven in the seventh place counts as 2 + 8 = 10, of which the rule allows either digit: 1 or 0.
    total = _stdnum("tw.ubn").calc_checksum(text)
    return total % 5 == 0 or (text[6] == "7" and (total + 1) % 5 == 0)


def _dui(text: str) -> bool:
    return sum(int(digit) * weight for digit, weight in zip(text, range(9, 0, -1), strict=True)) % 10 == 0


def _stdnum(module: str) -> Any:
    return import_module(f"stdnum.{module}")


_OWN: dict[str, Callable[[str], bool]] = {"gstin": _gstin, "ubn": _ubn, "dui": _dui}
