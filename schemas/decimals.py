"""Decimals as text (docs/contract.md section 2); imports only the standard library, to start fast."""

from decimal import Decimal


def format_decimal(value: Decimal) -> str:
    """Write a decimal plainly, without exponent and without trailing zeros; zero is `"0"`."""
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
