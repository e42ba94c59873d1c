"""Rules about several members of an object, as JSON Schema expresses them, by the name of the model."""

from typing import get_args

from schemas.forms import ALSO_CHECKED, Schema
from schemas.preferences import EInvoicingStandard
from schemas.regions import countries_of_standard, participant_schemes

_PREFIX = "".join(
    f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in "iso6523-actorid-upis::"
)


def _appointed_or_patient() -> Schema:
    appointed = {"properties": {"effectiveAt": {"type": "string"}}, "required": ["effectiveAt"]}
    return {"if": appointed, "then": {"properties": {"waitSeconds": {"enum": [0, None]}}}}


def _addressed() -> Schema:
    """The standard PeppolBis3 requires a participant identifier as its address."""
    schemes = "|".join(sorted(participant_schemes()))
    return {
        "if": {"properties": {"standard": {"const": "PeppolBis3"}}, "required": ["standard"]},
        "then": {
            "properties": {"address": {"type": "string", "pattern": f"^({_PREFIX})?({schemes}):[!-~]{{1,125}}$"}},
            "required": ["address"],
        },
    }


def _registered() -> Schema:
    """An e-invoicing standard requires a tax registration of one of its countries."""
    return {"allOf": [_registered_for(standard) for standard in get_args(EInvoicingStandard)]}


def _registered_for(standard: str) -> Schema:
    chosen = {"type": "object", "properties": {"standard": {"const": standard}}, "required": ["standard"]}
    countries = sorted(countries_of_standard(standard))
    registration = {"type": "object", "properties": {"country": {"enum": countries}}, "required": ["country"]}
    return {
        "if": {"properties": {"eInvoicing": chosen}, "required": ["eInvoicing"]},
        "then": {
            "properties": {"taxRegistrations": {"type": "array", "contains": registration}},
            "required": ["taxRegistrations"],
        },
    }


_ONE_PER_COUNTRY = {ALSO_CHECKED: "there is one tax registration per country"}
_DISCOUNT = {ALSO_CHECKED: "a discount's withinDays is less than netDays"}

RULES: dict[str, Schema] = {
    "BindProject": _appointed_or_patient(),
    "TransferProjects": {ALSO_CHECKED: "toAccount is another account than fromAccount"},
    "UpdateAccount": {ALSO_CHECKED: "what results from the update is checked as a whole"},
    "EInvoicing": _addressed(),
    "Preferences": _registered() | _ONE_PER_COUNTRY,
    "PreferencesPatch": _ONE_PER_COUNTRY,
    "PaymentTerms": _DISCOUNT,
    "PaymentTermsPatch": _DISCOUNT,
}
