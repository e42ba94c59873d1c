"""Currencies for invoices (docs/contract.md section 5): those of countries and monetary unions."""

import iso4217

# Units of account (of the IMF, SUCRE, the African Development Bank, the Arab Monetary Fund, Uruguay's pensions): the
# table lists them like currencies, and nothing in it distinguishes them.
_UNITS_OF_ACCOUNT = frozenset({"XDR", "XSU", "XUA", "XAD", "UYW"})


def _invoice_currencies() -> frozenset[str]:
    codes = set()
    for entry in iso4217.raw_xml.iter("CcyNtry"):
        code, name, country = entry.findtext("Ccy"), entry.find("CcyNm"), entry.findtext("CtryNm") or ""
        is_fund = name is not None and name.get("IsFund", "").lower() == "true"
        # Metals, bond market units, the test code and "no currency" are listed under invented countries: ZZ01 … ZZ12.
        if code and not is_fund and not country.strip().startswith("ZZ") and code not in _UNITS_OF_ACCOUNT:
            codes.add(code.strip())
    return frozenset(codes)


INVOICE_CURRENCIES = _invoice_currencies()
"""Codes of the active ISO 4217 list (SIX, as packaged by `iso4217`) that whopays accepts."""
