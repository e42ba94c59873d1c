"""Numbers that authorities issue and the library does not know: each kind is accepted, its near misses are not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import schemas
from schemas.regions import TaxNumberForm, tax_number_checks
from schemas.tax_checks import passes
from schemas.tax_numbers import WrongTaxNumber, compact_tax_number
from schemas.territories import NUMERIC_CODES

TABLES: dict[str, Any] = json.loads(Path(schemas.__file__).with_name("regions.json").read_text("utf-8"))
COUNTRIES: dict[str, Any] = TABLES["taxNumbers"]["countries"]

# Country, as written, as kept, and near misses that nobody issues.
ISSUED: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("AR", "25-12345678-8", "25123456788", ("25-12345678-9", "28-12345678-8")),
    ("AR", "26-23456789-5", "26234567895", ("26-23456789-6",)),
    ("AU", "300 012 345 678", "300012345678", ("300 012 345 67", "300 012 345 6789")),
    ("BR", "12.ABC.345/01DE-35", "12ABC34501DE35", ("12.ABC.345/01DE-36", "12.ABD.345/01DE-35")),
    ("CA", "123026635 RT0001", "123026635RT0001", ("123026636 RT0001", "123026635 XX0001")),
    ("CA", "123026635 RR0001", "123026635RR0001", ("123026636 RR0001", "123026635 RR001")),
    ("CA", "1224002901TQ0001", "1224002901TQ0001", ("1224002901TX0001", "122400290TQ0001")),
    ("CA", "1227494057 TQ 0001", "1227494057TQ0001", ()),
    ("CA", "NR00000123", "NR00000123", ("NR0000012", "NS00000123")),
    ("CA", "PST-1234-5678", "PST12345678", ("PST-1234-567",)),
    ("CA", "123456-7", "1234567", ("12345-67-8",)),
    ("CN", "N2330106MA2B1C2D3U", "N2330106MA2B1C2D3U", ("N2330106MA2B1C2D3W", "NI330106MA2B1C2D3U")),
    ("CR", "1-234-567890", "1234567890", ("1-234-5678",)),
    ("DE", "DE232637828-12345", "23263782812345", ("DE232637827-12345", "DE232637828-1234")),
    ("DE", "DE136695976-00001", "13669597600001", ("DE136695978-00001",)),
    ("EC", "1793213150001", "1793213150001", ("1793213150000", "2593213150001", "1783213150001")),
    ("EC", "1793189906-001", "1793189906001", ("179318990600", "17931899060011")),
    ("EC", "0993370026001", "0993370026001", ("9993370026001",)),
    ("EC", "1768154690001", "1768154690001", ("1768154690000", "0068154690001")),
    ("FR", "30 23 217 600 053", "3023217600053", ("30 23 217 600 054", "40 23 217 600 053")),
    ("GH", "GHA-123456789-0", "GHA1234567890", ("GHA-1234567-0", "GH-123456789-0")),
    ("HU", "12892312-2-41", "12892312241", ("12892313-2-41", "12892312-6-41")),
    ("ID", "1000 0000 0061 2345", "1000000000612345", ("1100 0000 0061 2345",)),
    ("ID", "9271 0141 0190 0001", "9271014101900001", ("9271 0199 0190 0001", "9771 0141 0190 0001")),
    ("ID", "0013 0006 6609 1000 000000", "0013000666091000000000", ("0013 0006 7609 1000 000000",)),
    ("IN", "38AAACW6874H1ZT", "38AAACW6874H1ZT", ("38AAACW6874H1ZU", "39AAACW6874H1ZT")),
    ("IN", "97AAACW6874H1ZP", "97AAACW6874H1ZP", ("97AAACW6874H1ZQ",)),
    ("IN", "27MUMS12345D1ZR", "27MUMS12345D1ZR", ("27MUMS12345D1ZS", "27MUMS12345D1XR")),
    ("IN", "27MUMS12345D1D0", "27MUMS12345D1D0", ("27MUMS12345D1D1",)),
    ("IN", "29AABCT1332L1CL", "29AABCT1332L1CL", ("29AABCT1332L1CM",)),
    ("IN", "9917IRL29003OSG", "9917IRL29003OSG", ("9917IRL29003OSH", "9917IRL29003OXG", "9917IR129003OSG")),
    ("IN", "9918USA29001OSF", "9918USA29001OSF", ("9918USA29001OSE",)),
    ("IN", "3617FRA00001NRQ", "3617FRA00001NRQ", ("3617FRA00001NRR",)),
    ("IN", "0717UNO00157UNO", "0717UNO00157UNO", ("0717UNO00157UNP",)),
    ("IN", "2917GBR00001ON7", "2917GBR00001ON7", ("2917GBR00001ON8",)),
    ("IN", "MUMS12345D", "MUMS12345D", ("MUM112345D",)),
    ("IS", "010326-2139", "0103262139", ("320326-2139", "011326-2139", "450401-3140")),
    ("IS", "8123456789", "8123456789", ("812345678",)),
    ("MA", "12345678", "12345678", ("123456789",)),
    ("MD", "0608123", "0608123", ("060812",)),
    ("ME", "30/31-12345-6", "3031123456", ("30/32-12345-6",)),
    ("MX", "XAXX010101000", "XAXX010101000", ("XAXX010101001", "XBXX010101000")),
    ("MX", "XEXX-010101-000", "XEXX010101000", ("XEXX010101010",)),
    ("NO", "VOEC 2024261", "2024261", ("VOEC 202426", "VOEC 995525828")),
    ("NZ", "049-098-576", "49098576", ("049-098-577", "0049-098-576")),
    ("NZ", "165-432-108", "165432108", ("165-432-109", "265-432-108")),
    ("PE", "16123456789", "16123456789", ("16123456788", "18123456789")),
    ("PY", "1234567A-8", "1234567A8", ("1234567E-8",)),
    ("SG", "M90312345A", "M90312345A", ("M9031234A",)),
    ("SG", "T20VC0066K", "T20VC0066K", ("T20VC0066L", "T20VX0066K")),
    ("SV", "04567890-3", "045678903", ("04567890-4",)),
    ("TW", "62140097", "62140097", ("62140098",)),
    ("UA", "123456789012", "123456789012", ("12345678901",)),
    ("UA", "123456789", "123456789", ()),
    ("VE", "C-12345678-9", "C123456789", ("D-12345678-9",)),
    ("VN", "001099012345", "001099012345", ("00109901234", "00109901234567")),
    ("ZA", "4123456789", "4123456789", ("5123456789",)),
)

# Numbers of one-stop schemes as published by those who have them, and the member state that issued each.
ONE_STOP = (
    *(("IE", "EU372022452"), ("IE", "EU372041333"), ("NL", "EU528003646"), ("LU", "IM4420001201")),
    *(("DE", "IM2760000742"), ("GR", "IN3000001234"), ("GB", "IM9001234567"), ("SE", "EU752000001")),
)


@pytest.mark.parametrize(("country", "written", "kept", "near"), ISSUED)
def test_what_an_authority_issues_is_accepted(country: str, written: str, kept: str, near: tuple[str, ...]) -> None:
    bare = written.removeprefix(country)
    for spelling in (written, written.lower(), kept, f" {country} {bare}", country + bare, " ".join(written)):
        assert compact_tax_number(country, spelling) == kept
    for spelling in (*near, *(country + number for number in near)):
        with pytest.raises(WrongTaxNumber):
            compact_tax_number(country, spelling)


@pytest.mark.parametrize(("country", "number"), ONE_STOP)
def test_a_one_stop_number_belongs_to_the_state_in_its_digits(country: str, number: str) -> None:
    in_groups = f"{number[:2]} {number[2:5]}-{number[5:]}"
    for spelling in (number, number.lower(), in_groups):
        assert compact_tax_number(country, spelling) == number
    others = {*TABLES["groups"]["EuropeanUnion"]["countries"], "GB"} - {country}
    for other in others:
        with pytest.raises(WrongTaxNumber):
            compact_tax_number(other, number)
    for wrong in (number[:-1], number + "0", "EX" + number[2:], number[:2] + "999" + number[5:]):
        with pytest.raises(WrongTaxNumber):
            compact_tax_number(country, wrong)


@pytest.mark.parametrize("country", TABLES["groups"]["EuropeanUnion"]["countries"])
def test_every_member_state_issues_one_stop_numbers(country: str) -> None:
    digits = NUMERIC_CODES[country]
    for number in (f"EU{digits}123456", f"IM{digits}1234567", f"IN{digits}1234567"):
        assert compact_tax_number(country, number) == number
        assert compact_tax_number(country, country + number) == number
        # The letters are part of the number: without them it is another, or none.
        with pytest.raises(WrongTaxNumber):
            compact_tax_number("CY" if country != "CY" else "EE", number)


def test_only_members_and_northern_ireland_issue_one_stop_numbers() -> None:
    for country in ("CH", "NO", "US", "IS"):
        with pytest.raises(WrongTaxNumber):
            compact_tax_number(country, f"EU{NUMERIC_CODES[country]}123456")
    assert compact_tax_number("KI", "EU296123456") == "EU296123456"  # without a known check: text


@pytest.mark.parametrize(
    ("country", "number", "compact"),
    (
        ("AX", "FI20774740", "20774740"),
        *((country, "FR 40 303 265 045", "40303265045") for country in ("GF", "GP", "MQ", "RE", "YT")),
        ("RE", "732 829 320 00074", "73282932000074"),
        ("LI", "CHE-107.787.577 MWST", "CHE107787577MWST"),
        ("LI", "50119", "50119"),
        ("SJ", "NO 995 525 828 MVA", "995525828MVA"),
        ("US", "912-70-1234", "912701234"),
    ),
)
def test_numbers_that_one_country_shares_with_another(country: str, number: str, compact: str) -> None:
    assert compact_tax_number(country, number) == compact
    assert compact_tax_number(country, compact) == compact
    wrong = number[:-1] + ("9" if number[-1] != "9" else "8")
    if country not in ("LI", "US"):
        with pytest.raises(WrongTaxNumber):
            compact_tax_number(country, wrong)


def _forms() -> Iterator[tuple[str, int, TaxNumberForm]]:
    for country, entry in COUNTRIES.items():
        checks = tax_number_checks(country)
        assert checks is not None
        yield from ((country, index, checks.forms[index]) for index, _ in enumerate(entry.get("forms", ())))


@pytest.mark.parametrize(("country", "index", "form"), tuple(_forms()))
def test_every_form_of_the_data_file_has_its_source_and_an_example(
    country: str, index: int, form: TaxNumberForm
) -> None:
    entry = COUNTRIES[country]["forms"][index]
    assert set(entry) - {"check"} == {"what", "pattern", "source"}
    assert all(entry.values())
    assert any(form.pattern.fullmatch(kept) for of, _, kept, _ in ISSUED if of == country), entry["what"]


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    (
        ("ubn", ("62140097", "04595257", "10458575", "12345675"), ("62140098", "04595258", "12345678")),
        ("dui", ("045678903", "123456784", "000000000"), ("045678900", "987654321")),
        ("gstin", ("27AAPFU0939F1ZV", "9917IRL29003OSG"), ("27AAPFU0939F1ZO", "27aapfu0939f1zv", "\u0663")),
        ("de.vat", ("136695976",), ("136695978", "")),
        ("ar.cuit.calc_check_digit", ("20055361682",), ("20055361683", "2005536168A")),
    ),
)
def test_checks_tell_right_from_wrong(check: str, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    assert [text for text in right if not passes(check, text)] == []
    assert [text for text in wrong if passes(check, text)] == []
