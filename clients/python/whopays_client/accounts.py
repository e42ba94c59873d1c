"""The parts of an account: payment terms, preferences and contact (contract, section 5)."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from whopays_client.values import CLEAR, Amount, Clear, Null, Part, WithNull

InvoiceFrequency = Literal["Monthly", "Quarterly", "Annual"]
InvoiceFormat = Literal["Pdf", "Xml", "PdfWithXml"]
EInvoicingStandard = Literal["PeppolBis3", "XRechnung", "ZugferdFacturX", "FatturaPa", "Facturae", "Cfdi"]
DataResidency = Literal["Eu", "Us", "Uk", "Ch", "Ca", "Au", "In", "Jp", "Sg", "Br"]
_NetDays = Annotated[int, Field(ge=1, le=365)]
_DayOfMonth = Annotated[int, Field(ge=1, le=28)]


class EarlyPaymentDiscount(Part):
    """`percent` off (above 0, below 100) when paid within `within_days` (days, fewer than the terms' `net_days`)."""

    percent: Amount
    within_days: Annotated[int, Field(ge=1)]


class LatePaymentPenalty(Part):
    """`annual_percent` (0 to 100) charged from `grace_days` (days, default 0) after the due day."""

    annual_percent: Amount
    grace_days: Annotated[int, Field(ge=0)] | None = None


class PaymentTerms(Part):
    """When invoices are issued and due; members not given take whopays' defaults (30 days, Monthly, the 1st)."""

    net_days: _NetDays | None = None
    invoice_frequency: InvoiceFrequency | None = None
    invoice_day_of_month: _DayOfMonth | None = None
    early_payment_discount: EarlyPaymentDiscount | None = None
    late_payment_penalty: LatePaymentPenalty | None = None


class PaymentTermsPatch(WithNull):
    """A change of terms: a member given replaces the current one, `CLEAR` resets it to its default, others stay."""

    nulls: ClassVar[dict[str, Null]] = dict.fromkeys(
        ("netDays", "invoiceFrequency", "invoiceDayOfMonth", "earlyPaymentDiscount", "latePaymentPenalty"), CLEAR
    )

    net_days: _NetDays | Clear | None = None
    invoice_frequency: InvoiceFrequency | Clear | None = None
    invoice_day_of_month: _DayOfMonth | Clear | None = None
    early_payment_discount: EarlyPaymentDiscount | Clear | None = None
    late_payment_penalty: LatePaymentPenalty | Clear | None = None


class TaxRegistration(Part):
    """A tax number and the country (ISO 3166-1 alpha-2) that issued it."""

    country: str
    number: str


class EInvoicing(Part):
    """The e-invoicing standard, and the address on its network."""

    standard: EInvoicingStandard
    address: str | None = None


class Preferences(Part):
    """Taxes, invoices, and data residency. `invoice_language` is a BCP 47 tag."""

    tax_registrations: tuple[TaxRegistration, ...] | None = None
    invoice_language: str | None = None
    invoice_format: InvoiceFormat | None = None
    e_invoicing: EInvoicing | None = None
    data_residency: DataResidency | None = None


class PreferencesPatch(WithNull):
    """A change of preferences: a member given replaces the current one, `CLEAR` removes it, others stay."""

    nulls: ClassVar[dict[str, Null]] = dict.fromkeys(
        ("taxRegistrations", "invoiceLanguage", "invoiceFormat", "eInvoicing", "dataResidency"), CLEAR
    )

    tax_registrations: tuple[TaxRegistration, ...] | Clear | None = None
    invoice_language: str | Clear | None = None
    invoice_format: InvoiceFormat | Clear | None = None
    e_invoicing: EInvoicing | Clear | None = None
    data_residency: DataResidency | Clear | None = None


Emails = Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]


class Personal(Part):
    """Base of personal data: its `repr` shows only the class."""

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return ()


class Address(Personal):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    line1: str
    line2: str | None = None
    postal_code: str | None = None
    city: str
    country: str


class AccountingContact(Personal):
    """The accounting department's contact."""

    name: str
    emails: Emails


class Contact(Personal):
    """The contact of an account: personal data, never shown in an event, or in a log or message of this library.

    `phone` is in E.164 form, such as +41445550100; `language` a BCP 47 tag.
    """

    name: str
    emails: Emails
    phone: str | None = None
    address: Address | None = None
    accounting_contact: AccountingContact | None = None
    language: str | None = None
