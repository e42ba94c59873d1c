"""How decimals are written (docs/contract.md section 2); it imports the standard library alone, to start fast."""

from decimal import Decimal


def format_decimal(value: Decimal) -> str:
    """Write a decimal plainly, without exponent and without trailing zeros; zero is `"0"`."""
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
