"""Countries (docs/contract.md sections 3 and 5): ISO 3166-1 alpha-2 as packaged by `pycountry`."""

import pycountry

COUNTRIES: frozenset[str] = frozenset(country.alpha_2 for country in pycountry.countries)
"""Two-letter codes in capitals."""
