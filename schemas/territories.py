"""Countries (docs/contract.md sections 3 and 5): ISO 3166-1 as packaged by `pycountry`."""

import pycountry

NUMERIC_CODES: dict[str, str] = {country.alpha_2: country.numeric for country in pycountry.countries}
"""The three-digit code of each country, by its two-letter code in capitals."""

COUNTRIES: frozenset[str] = frozenset(NUMERIC_CODES)
"""Two-letter codes in capitals."""
