"""Preferences of an account (docs/contract.md sections 5 and 9): taxes, invoices, and where data is kept."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from schemas.forms import TAX_NUMBER
from schemas.languages import LanguageTag
from schemas.policy import is_stored, offered_data_residency
from schemas.regions import countries_of_standard, participant_schemes
from schemas.scalars import CountryCode, Patch, Text, Wire
from schemas.tax_numbers import WrongTaxNumber, compact_tax_number
from schemas.territories import COUNTRIES

InvoiceFormat = Literal["Pdf", "Xml", "PdfWithXml"]
EInvoicingStandard = Literal["PeppolBis3", "XRechnung", "ZugferdFacturX", "FatturaPa", "Facturae", "Cfdi"]
DataResidency = Annotated[
    Literal["Eu", "Us", "Uk", "Ch", "Ca", "Au", "In", "Jp", "Sg", "Br"], AfterValidator(offered_data_residency)
]

# Peppol's Policy for use of Identifiers 4: a scheme code and a value, 130 characters at most in total.
_PARTICIPANT = re.compile(r"(?P<scheme>[0-9]{4}):[!-~]{1,125}")

# The Peppol directory's prefix: every identifier is of this type, so it carries no information.
_PARTICIPANT_PREFIX = re.compile(r"\Aiso6523-actorid-upis::", re.IGNORECASE)

Faults = list[tuple[tuple[str | int, ...], str]]


class TaxRegistration(Wire):
    """A tax number, in compact form, and the country that issued it."""

    country: CountryCode
    number: Annotated[Text, TAX_NUMBER]

    @field_validator("number")
    @classmethod
    def _valid_in_country(cls, number: str, info: ValidationInfo) -> str:
        country = info.data.get("country")
        if country is None or is_stored(info):
            return number
        try:
            return compact_tax_number(country, number)
        except WrongTaxNumber as error:
            raise PydanticCustomError("tax_number", "{rule}", {"rule": str(error)}) from None


class EInvoicing(Wire):
    """The standard of electronic invoices and the address on its network."""

    standard: EInvoicingStandard
    address: Text | None = None

    @field_validator("address")
    @classmethod
    def _without_type_of_identifier(cls, address: str | None, info: ValidationInfo) -> str | None:
        if address is not None and info.data.get("standard") == "PeppolBis3":
            return _PARTICIPANT_PREFIX.sub("", address)
        return address


def _one_per_country(registrations: tuple[TaxRegistration, ...]) -> tuple[TaxRegistration, ...]:
    countries = [registration.country for registration in registrations]
    _refuse(
        registrations,
        [
            ((index, "country"), "must be another country: there is one registration per country")
            for index, country in enumerate(countries)
            if country in countries[:index]
        ],
    )
    return registrations


def _none_if_empty(registrations: tuple[TaxRegistration, ...] | None) -> tuple[TaxRegistration, ...] | None:
    return registrations or None


TaxRegistrations = Annotated[
    tuple[TaxRegistration, ...],
    Field(strict=False, max_length=len(COUNTRIES)),
    AfterValidator(_one_per_country),
    AfterValidator(_none_if_empty),
]


class Preferences(Wire):
    """Complete preferences; no registration is the same as an empty list of them."""

    tax_registrations: TaxRegistrations | None = None
    invoice_language: LanguageTag | None = None
    invoice_format: InvoiceFormat | None = None
    e_invoicing: EInvoicing | None = None
    data_residency: DataResidency | None = None

    @field_validator("e_invoicing")
    @classmethod
    def _addressed_and_registered(cls, e_invoicing: EInvoicing | None, info: ValidationInfo) -> EInvoicing | None:
        if e_invoicing is not None and not is_stored(info):
            faults = _faults_of_address(e_invoicing)
            # Invalid registrations are reported themselves; nothing can be derived from them.
            if "tax_registrations" in info.data:
                faults = _faults_of_registration(e_invoicing, info.data["tax_registrations"] or ()) + faults
            _refuse(e_invoicing, faults)
        return e_invoicing


class PreferencesPatch(Patch):
    """Preferences as an update gives them: each member given replaces, null clears, the others stay.

    A member is checked as far as it can be on its own. Whether the standard of electronic invoices has its registration
    is checked in the merged `Preferences`.
    """

    whole = Preferences

    tax_registrations: TaxRegistrations | None = None
    invoice_language: LanguageTag | None = None
    invoice_format: InvoiceFormat | None = None
    e_invoicing: EInvoicing | None = None
    data_residency: DataResidency | None = None

    @field_validator("e_invoicing")
    @classmethod
    def _addressed(cls, e_invoicing: EInvoicing | None) -> EInvoicing | None:
        if e_invoicing is not None:
            _refuse(e_invoicing, _faults_of_address(e_invoicing))
        return e_invoicing


def _faults_of_registration(e_invoicing: EInvoicing, registrations: Sequence[TaxRegistration]) -> Faults:
    countries = countries_of_standard(e_invoicing.standard)
    if any(registration.country in countries for registration in registrations):
        return []
    where = ", ".join(sorted(countries))
    return [(("standard",), f"needs a tax registration of a country of this standard: {where}")]


def _faults_of_address(e_invoicing: EInvoicing) -> Faults:
    if e_invoicing.standard != "PeppolBis3":
        return []
    match = _PARTICIPANT.fullmatch(e_invoicing.address or "")
    if match is not None and match["scheme"] in participant_schemes():
        return []
    return [
        (("address",), "must be a Peppol participant identifier: a known scheme and a value such as 0088:1234567890")
    ]


def _refuse(value: Any, faults: Faults) -> None:
    # A validator can report several errors, each with its own path, only as an inner ValidationError.
    if faults:
        raise ValidationError.from_exception_data(
            "Preferences",
            [
                InitErrorDetails(
                    type=PydanticCustomError("preferences", "{rule}", {"rule": rule}), loc=path, input=value
                )
                for path, rule in faults
            ],
        )
