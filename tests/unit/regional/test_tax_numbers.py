"""Tax numbers: right and one digit wrong, in every spelling of one registration."""

import random
import string

import pytest

from schemas.commands import CreateAccount, UpdateAccount
from schemas.regions import tax_number_checks
from schemas.tax_numbers import WrongTaxNumber, compact_tax_number
from schemas.territories import COUNTRIES

# Country, with prefix, the same with one digit wrong, compact.
VAT_NUMBERS = (
    ("AT", "ATU13585627", "ATU13585626", "U13585627"),
    ("BE", "BE0428759497", "BE0428759496", "0428759497"),
    ("BG", "BG175074752", "BG175074751", "175074752"),
    ("CY", "CY10259033P", "CY10259034P", "10259033P"),
    ("CZ", "CZ25123891", "CZ25123890", "25123891"),
    ("DE", "DE136695976", "DE136695978", "136695976"),
    ("DK", "DK13585628", "DK13585627", "13585628"),
    ("EE", "EE100594102", "EE100594103", "100594102"),
    ("ES", "ESB58378431", "ESB58378432", "B58378431"),
    ("FI", "FI20774740", "FI20774741", "20774740"),
    ("FR", "FR40303265045", "FR41303265045", "40303265045"),
    ("GR", "EL094259216", "EL094259217", "094259216"),
    ("HR", "HR33392005961", "HR33392005962", "33392005961"),
    ("HU", "HU12892312", "HU12892313", "12892312"),
    ("IE", "IE6433435F", "IE6433436F", "6433435F"),
    ("IT", "IT00743110157", "IT00743110158", "00743110157"),
    ("LT", "LT119511515", "LT119511514", "119511515"),
    ("LU", "LU15027442", "LU15027443", "15027442"),
    ("LV", "LV40003521600", "LV40003521601", "40003521600"),
    ("MT", "MT11679112", "MT11679113", "11679112"),
    ("NL", "NL004495445B01", "NL123456789B90", "004495445B01"),
    ("PL", "PL8567346215", "PL8567346216", "8567346215"),
    ("PT", "PT501964843", "PT501964842", "501964843"),
    ("RO", "RO18547290", "RO18547291", "18547290"),
    ("SE", "SE556188840401", "SE556188840501", "556188840401"),
    ("SI", "SI50223054", "SI50223055", "50223054"),
    ("SK", "SK2022749619", "SK2022749618", "2022749619"),
    ("AU", "AU83914571673", "AU99999999999", "83914571673"),
    ("BR", "BR16727230000197", "BR16727230000198", "16727230000197"),
    ("CA", "CA123026635", "CA123026636", "123026635"),
    ("CH", "CHE107787577MWST", "CHE107787578MWST", "CHE107787577MWST"),
    ("GB", "GB980780684", "GB980780685", "980780684"),
    ("IN", "IN27AAPFU0939F1ZV", "IN27AAPFU0939F1ZX", "27AAPFU0939F1ZV"),
    ("JP", "T5835678256246", "T5835678256247", "5835678256246"),
    ("KR", "KR1168200276", "KR0968200276", "1168200276"),
    ("MX", "MXMAB9307148T4", "MXMAB9307148T5", "MAB9307148T4"),
    ("NO", "NO995525828MVA", "NO995525829MVA", "995525828MVA"),
    ("NZ", "NZ49098576", "NZ49098577", "49098576"),
    ("SG", "SG197401143C", "SG197401143D", "197401143C"),
    ("TR", "TR4540536920", "TR4540536921", "4540536920"),
    ("ZA", "ZA0001339050", "ZA0001339051", "0001339050"),
)

PREFIXES = {"GR": "EL", "JP": "T", "CH": "CHE"}


@pytest.mark.parametrize(("country", "prefixed", "wrong", "compact"), VAT_NUMBERS)
def test_one_registration_has_one_form(country: str, prefixed: str, wrong: str, compact: str) -> None:
    plain = prefixed.removeprefix(PREFIXES.get(country, country))
    in_groups = prefixed[:2] + " " + ".".join((prefixed[2:5], prefixed[5:8], prefixed[8:]))
    for spelling in (prefixed, plain, compact, prefixed.lower(), f" {in_groups}\u00a0", "-".join(plain)):
        assert compact_tax_number(country, spelling) == compact
    for spelling in (wrong, wrong.removeprefix(PREFIXES.get(country, country))):
        with pytest.raises(WrongTaxNumber):
            compact_tax_number(country, spelling)


@pytest.mark.parametrize(
    ("country", "number", "compact"),
    (
        ("GR", "GR094259216", "094259216"),
        ("GB", "XI 980 7806 84", "980780684"),
        ("IM", "GB980780684", "980780684"),
        ("CH", "107.787.577 MWST", "CHE107787577MWST"),
        ("CH", "CHE-107.787.577", "CHE107787577"),
        ("CH", "CHE-107.787.577 TVA", "CHE107787577TVA"),
        ("MC", "FR 53 0000 04605", "FR53000004605"),
        ("MC", "53 0000 04605", "FR53000004605"),
        ("NO", "NO 995 525 828", "995525828"),
        ("JP", "JP5835678256246", "5835678256246"),
        ("BR", "390.533.447-05", "39053344705"),
        ("DE", "181/815/08155", "18181508155"),
        ("AT", "59-119/9013", "591199013"),
        ("FR", "732 829 320 00074", "73282932000074"),
        ("US", "91-1144442", "911144442"),
        *(("IT", spelling, "RCCMNL83S18D969H") for spelling in ("RCCMNL83S18D969H", "IT RCC MNL 83S18 D969H")),
        *(("UA", spelling, "32855961") for spelling in ("32855961", "UA32855961")),
        *(("IL", spelling, "039337423") for spelling in ("39337423", "IL 039337423")),
        *(("TR", spelling, "17291716060") for spelling in ("17291716060", "TR17291716060")),
        ("ZA", "4123456789", "4123456789"),
        ("HU", "12892312-2-41", "12892312241"),
        ("EG", "\u0663\u0663\u0661-\u0661\u0660\u0665-\u0662\u0666\u0668", "331105268"),
    ),
)
def test_the_country_has_other_numbers_and_spellings(country: str, number: str, compact: str) -> None:
    assert compact_tax_number(country, number) == compact
    assert compact_tax_number(country, compact) == compact


@pytest.mark.parametrize(
    ("country", "number"),
    (
        ("DE", ""),
        ("DE", "DE"),
        ("DE", "ATU13585627"),
        ("DE", "DE18181508155"),  # a Steuernummer has no prefix
        ("DE", "DE136695976X"),
        ("AT", "13585627"),  # the U is no prefix but part of the number
        ("FR", "FR404833048"),  # a SIREN with the prefix of the VAT number, but without its key
        ("SE", "SE5561888404"),  # likewise without the 01
        ("MX", "MAB930714"),
        ("MX", "VACE460910"),  # a person's first ten characters have no check digit
        ("IT", "IT" + "0" * 500),
        ("US", "00-0000000"),
        ("GB", "\uff27\uff22980780684"),
    ),
)
def test_what_is_no_number_of_the_country(country: str, number: str) -> None:
    with pytest.raises(WrongTaxNumber):
        compact_tax_number(country, number)


def test_without_a_known_check_any_short_text_is_kept_as_it_is() -> None:
    assert compact_tax_number("KI", "TIN " + "Q" * 36) == "TIN " + "Q" * 36
    for text in ("A" * 41, "", "  "):
        with pytest.raises(WrongTaxNumber, match="1 to 40"):
            compact_tax_number("KI", text)


def test_the_checks_take_any_text_and_their_form_is_stable() -> None:
    chance = random.Random(20260101)
    letters = string.ascii_uppercase + string.digits * 4 + "\u00d1\u00c9\u00df\u0663\u041a&_\u00bd\u00b2"
    countries = sorted(country for country in COUNTRIES if tax_number_checks(country) is not None)
    for _ in range(20_000):
        country = chance.choice(countries)
        number = "".join(chance.choices(letters, k=chance.randint(0, 16)))
        try:
            compact = compact_tax_number(country, number)
        except WrongTaxNumber:
            continue
        assert compact_tax_number(country, compact) == compact


@pytest.mark.parametrize(
    ("country", "spellings"),
    (
        ("DE", ("136695976", "DE136695976", "de 136 695 976")),
        ("GR", ("094259216", "EL094259216", "GR 094 259 216")),
        ("DE", ("DE136695976-00001", "136695976-00001", "DE 136695976 00001")),
        ("CH", ("CHE-107.787.577 MWST", "107787577 MWST")),
        ("NZ", ("49-098-576", "049098576", "NZ49098576")),
        ("IE", ("EU372022452", "EU 372 022452")),
        ("BR", ("12.abc.345/01de-35", "12ABC34501DE35")),
    ),
)
def test_spellings_of_one_number_mean_the_same(country: str, spellings: tuple[str, ...]) -> None:
    meanings = set()
    for spelling in spellings:
        registration = {"country": country, "number": spelling}
        data = {"organization": "acme", "account": "a", "preferences": {"taxRegistrations": [registration]}}
        for kind in (CreateAccount, UpdateAccount):
            meanings.add((kind, kind.model_validate(data, by_alias=True, by_name=False).fingerprint()))
    assert len(meanings) == 2
