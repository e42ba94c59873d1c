"""Preferences: every fault has its place, canonical forms are kept, updates merge at the first level."""

from typing import Any, get_args

import pytest

from schemas.policy import STORED, OperatorPolicy
from schemas.preferences import DataResidency, EInvoicing, Preferences, PreferencesPatch, TaxRegistration
from tests.unit.regional.places import faults

DE = {"country": "DE", "number": "DE136695976"}
AT = {"country": "AT", "number": "ATU13585627"}
SE = {"country": "SE", "number": "SE556188840401"}
WORDS = get_args(get_args(DataResidency)[0])


@pytest.mark.parametrize(
    "preferences",
    (
        {},
        {"taxRegistrations": []},
        {"taxRegistrations": None, "invoiceLanguage": None, "eInvoicing": None},
        {"taxRegistrations": [DE, AT]},
        *({"invoiceFormat": word} for word in ("Pdf", "Xml", "PdfWithXml")),
        *({"dataResidency": word} for word in WORDS),
        {"taxRegistrations": [{"country": "KI", "number": "4111111111111111"}]},
        *(
            {"taxRegistrations": [{"country": country, "number": number}], "eInvoicing": e_invoicing}
            for country, number, e_invoicing in (
                ("IT", "IT00743110157", {"standard": "FatturaPa", "address": "ABC1234"}),
                ("IT", "IT00743110157", {"standard": "FatturaPa"}),
                ("ES", "ESB58378431", {"standard": "Facturae", "address": "L01281901"}),
                ("DE", "DE136695976", {"standard": "XRechnung", "address": "04011000-12345-03"}),
                ("MX", "MAB9307148T4", {"standard": "Cfdi", "address": None}),
                ("SE", "SE556188840401", {"standard": "PeppolBis3", "address": "0007:5561888404"}),
                ("NO", "NO995525828MVA", {"standard": "PeppolBis3", "address": "0192:995525828"}),
                ("AU", "AU83914571673", {"standard": "PeppolBis3", "address": "0151:83914571673"}),
                ("AE", "100123456700003", {"standard": "PeppolBis3", "address": "0235:1001234567"}),
                ("FR", "FR40303265045", {"standard": "ZugferdFacturX", "address": "billing@example.com"}),
                ("FR", "FR40303265045", {"standard": "ZugferdFacturX"}),
                ("CH", "CHE-107.787.577 MWST", {"standard": "ZugferdFacturX"}),
            )
        ),
    ),
)
def test_valid_preferences(preferences: dict[str, Any]) -> None:
    assert faults(Preferences, preferences) == {}
    assert faults(PreferencesPatch, preferences) == {}


@pytest.mark.parametrize(
    ("preferences", "places"),
    (
        ({"dataResidency": "EU"}, ["/dataResidency"]),
        ({"dataResidency": "Mars"}, ["/dataResidency"]),
        ({"invoiceFormat": "pdf"}, ["/invoiceFormat"]),
        ({"invoiceFormat": "Docx"}, ["/invoiceFormat"]),
        ({"invoiceLanguage": "xx"}, ["/invoiceLanguage"]),
        ({"invoiceLanguage": 49}, ["/invoiceLanguage"]),
        ({"taxRegistrations": DE}, ["/taxRegistrations"]),
        ({"taxRegistrations": [{"country": "DE"}]}, ["/taxRegistrations/0/number"]),
        ({"taxRegistrations": [DE | {"number": "DE136695978"}]}, ["/taxRegistrations/0/number"]),
        ({"taxRegistrations": [DE | {"number": 136695976}]}, ["/taxRegistrations/0/number"]),
        ({"taxRegistrations": [DE | {"number": "DE\u202e136695976"}]}, ["/taxRegistrations/0/number"]),
        ({"taxRegistrations": [AT, DE | {"country": "EL"}]}, ["/taxRegistrations/1/country"]),
        ({"taxRegistrations": [{"country": "EL", "number": " "}]}, ["/taxRegistrations/0/country"]),
        ({"taxRegistrations": [DE | {"kind": "vat"}]}, ["/taxRegistrations/0/kind"]),
        ({"taxRegistrations": [DE, AT, DE, DE]}, ["/taxRegistrations/2/country", "/taxRegistrations/3/country"]),
        ({"eInvoicing": {"standard": "Peppol", "address": "x"}}, ["/eInvoicing/standard"]),
        ({"eInvoicing": {"address": "x"}}, ["/eInvoicing/standard"]),
        ({"eInvoicing": {"standard": "PeppolBis3"}, "taxRegistrations": [SE]}, ["/eInvoicing/address"]),
        *(
            ({"eInvoicing": {"standard": "PeppolBis3", "address": address}}, ["/eInvoicing/address"])
            for address in ("", "5561888404", "7:5561888404", "9999:1", "0007:", "0007:a b", "0007:" + "1" * 126)
        ),
        (
            {"invoiceLanguage": "xx", "invoiceFormat": "pdf", "colour": "red", "taxRegistrations": [{}]},
            [
                *("/taxRegistrations/0/country", "/taxRegistrations/0/number"),
                *("/invoiceLanguage", "/invoiceFormat", "/colour"),
            ],
        ),
    ),
)
def test_every_fault_has_its_place_also_in_an_update(preferences: dict[str, Any], places: list[str]) -> None:
    assert list(faults(PreferencesPatch, preferences)) == places
    registered = {"taxRegistrations": [SE]} | preferences
    assert list(faults(Preferences, registered)) == places


@pytest.mark.parametrize(
    ("standard", "registrations"),
    (
        ("FatturaPa", [DE]),
        ("Facturae", [DE, AT]),
        ("Cfdi", []),
        ("XRechnung", [AT]),
        ("ZugferdFacturX", [{"country": "GB", "number": "980780684"}]),
        ("PeppolBis3", [{"country": "US", "number": "91-1144442"}]),
    ),
)
def test_a_standard_needs_a_registration_of_one_of_its_countries(standard: str, registrations: list[Any]) -> None:
    e_invoicing = {"standard": standard, "address": "0088:7300010000001"}
    places = faults(Preferences, {"taxRegistrations": registrations, "eInvoicing": e_invoicing})
    assert list(places) == ["/eInvoicing/standard"]
    assert faults(PreferencesPatch, {"eInvoicing": e_invoicing}) == {}


def test_what_follows_from_nothing_else_is_named_beside_it() -> None:
    assert list(faults(Preferences, {"invoiceLanguage": "xx", "eInvoicing": {"standard": "PeppolBis3"}})) == [
        *("/invoiceLanguage", "/eInvoicing/standard", "/eInvoicing/address"),
    ]
    wrong = {"taxRegistrations": [SE | {"number": "1"}], "eInvoicing": {"standard": "PeppolBis3"}}
    assert list(faults(Preferences, wrong)) == ["/taxRegistrations/0/number", "/eInvoicing/address"]


def test_spellings_of_the_same_preferences_are_equal() -> None:
    def read(number: str, language: str) -> Preferences:
        registrations = [{"country": "DE", "number": number}]
        return Preferences.model_validate({"taxRegistrations": registrations, "invoiceLanguage": language})

    assert read("DE 136 695 976", "DE-ch") == read("136695976", "de-CH")
    assert Preferences.model_validate({"taxRegistrations": []}) == Preferences()


def test_an_update_merges_at_the_first_level() -> None:
    current = Preferences(
        tax_registrations=(TaxRegistration(country="DE", number="136695976"),),
        invoice_language="de",
        e_invoicing=EInvoicing(standard="XRechnung", address="04011000-12345-03"),
    )

    def updated(**members: Any) -> Any:
        patch = PreferencesPatch.model_validate(members, by_alias=True, by_name=False)
        return patch.applied_to(current)

    assert updated() == current
    assert updated(invoiceLanguage=None, invoiceFormat="Xml") == current.model_copy(
        update={"invoice_language": None, "invoice_format": "Xml"}
    )
    # What lies below the first level is replaced, not merged.
    assert updated(eInvoicing={"standard": "XRechnung"}).e_invoicing == EInvoicing(standard="XRechnung")
    both = updated(taxRegistrations=[AT, DE]).tax_registrations or ()
    assert [registration.country for registration in both] == ["AT", "DE"]


@pytest.mark.parametrize(
    ("standard", "address", "kept"),
    (
        ("PeppolBis3", "iso6523-actorid-upis::0007:5561888404", "0007:5561888404"),
        ("PeppolBis3", "ISO6523-ACTORID-UPIS::0088:7300010000001", "0088:7300010000001"),
        ("PeppolBis3", "9930:DE136695976", "9930:DE136695976"),
        ("ZugferdFacturX", "iso6523-actorid-upis::0007:5561888404", "iso6523-actorid-upis::0007:5561888404"),
        ("ZugferdFacturX", "any text", "any text"),
    ),
)
def test_a_participant_identifier_is_kept_without_its_type(standard: str, address: str, kept: str) -> None:
    data = {"taxRegistrations": [SE], "eInvoicing": {"standard": standard, "address": address}}
    for model in (Preferences, PreferencesPatch):
        e_invoicing = model.model_validate(data).e_invoicing
        assert e_invoicing is not None
        assert e_invoicing.address == kept


@pytest.mark.parametrize(
    "address",
    (
        *("iso6523-actorid-upis::", "iso6523-actorid-upis::5561888404", "iso6523-actorid-upis::9999:1"),
        *("iso6523-actorid-upis:0007:5561888404", "iso6523-actorid-upis::iso6523-actorid-upis::0007:5561888404"),
        *(" iso6523-actorid-upis::0007:5561888404", "other-upis::0007:5561888404"),
    ),
)
def test_what_is_no_participant_identifier_is_none_with_the_prefix_either(address: str) -> None:
    e_invoicing = {"standard": "PeppolBis3", "address": address}
    for model in (Preferences, PreferencesPatch):
        assert list(faults(model, {"taxRegistrations": [SE], "eInvoicing": e_invoicing})) == ["/eInvoicing/address"]


def test_what_is_stored_is_not_checked_again() -> None:
    # A later library, or a corrected table, may refuse what an earlier one accepted: the account still has to load.
    stored = {
        "taxRegistrations": [{"country": "DE", "number": "no longer valid"}, {"country": "AN", "number": "1"}],
        "invoiceLanguage": "xx-withdrawn",
        "eInvoicing": {"standard": "FatturaPa", "address": "ABC1234"},
    }
    assert set(faults(Preferences, stored)) == {
        "/taxRegistrations/0/number",
        "/taxRegistrations/1/country",
        "/invoiceLanguage",
    }
    kept = Preferences.model_validate(stored, context=STORED)
    assert kept.model_dump(mode="json", by_alias=True, exclude_none=True) == stored
    # An update of something else leaves it alone.
    merged: Any = PreferencesPatch(invoice_format="Pdf", invoice_language="de", e_invoicing=None).applied_to(kept)
    assert merged.tax_registrations == kept.tax_registrations


@pytest.mark.parametrize("gone", (None, [], [AT]))
def test_a_registration_that_a_standard_needs_cannot_go_alone(gone: Any) -> None:
    current = Preferences(
        tax_registrations=(TaxRegistration(country="DE", number="136695976"),),
        e_invoicing=EInvoicing(standard="XRechnung"),
    )
    patch = PreferencesPatch.model_validate({"taxRegistrations": gone})
    with pytest.raises(ValueError, match="needs a tax registration"):
        patch.applied_to(current)
    patch = PreferencesPatch.model_validate({"taxRegistrations": gone, "eInvoicing": None})
    applied: Any = patch.applied_to(current)
    assert applied.e_invoicing is None


def test_the_operator_narrows_where_data_may_be_kept() -> None:
    policy = OperatorPolicy(data_residencies=frozenset({"Eu", "Ch"}))
    for model in (Preferences, PreferencesPatch):
        assert faults(model, {"dataResidency": "Ch"}, policy) == {}
        assert list(faults(model, {"dataResidency": "Us"}, policy)) == ["/dataResidency"]
        assert faults(model, {"dataResidency": "Us"}, OperatorPolicy()) == {}


def test_nothing_that_was_sent_is_quoted() -> None:
    sent = "Secret-4711"
    data = {
        "taxRegistrations": [{"country": sent, "number": sent}, {"country": "DE", "number": sent}],
        "invoiceLanguage": sent,
        "invoiceFormat": sent,
        "eInvoicing": {"standard": "PeppolBis3", "address": sent},
        "dataResidency": sent,
    }
    for model in (Preferences, PreferencesPatch):
        found = faults(model, data)
        assert len(found) == 6
        assert sent not in str(found)
