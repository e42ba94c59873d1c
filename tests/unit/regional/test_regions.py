"""The country tables fit the libraries that they name, and starting up does not load those."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

import schemas
from schemas.preferences import EInvoicingStandard
from schemas.regions import countries_of_standard, participant_schemes, tax_number_checks
from schemas.territories import COUNTRIES

TABLES: dict[str, Any] = json.loads(Path(schemas.__file__).with_name("regions.json").read_text("utf-8"))
TAXED = tuple(TABLES["taxNumbers"]["countries"])


@pytest.mark.parametrize("country", TAXED)
def test_each_check_is_one_of_the_library(country: str) -> None:
    assert country in COUNTRIES
    checks = tax_number_checks(country)
    assert checks is not None
    assert checks.prefixes[-1] == country
    for module in (*checks.vat, *checks.own):
        assert callable(import_module(f"stdnum.{module}").validate)


def test_every_standard_has_its_countries() -> None:
    assert set(TABLES["eInvoicing"]) == set(get_args(EInvoicingStandard))
    for standard in get_args(EInvoicingStandard):
        assert countries_of_standard(standard)
        assert countries_of_standard(standard) <= COUNTRIES
    assert len(countries_of_standard("ZugferdFacturX")) == 27 + 4
    assert {"AU", "SG", "JP", "GB", "NO", "DE"} <= countries_of_standard("PeppolBis3")
    assert not {"US", "MX"} & countries_of_standard("PeppolBis3")
    assert {"0007", "0088", "0192", "9930"} <= participant_schemes()


def test_every_table_says_where_it_is_from() -> None:
    tables = [
        *TABLES["groups"].values(),
        *TABLES["eInvoicing"].values(),
        TABLES["participantSchemes"],
        TABLES["taxNumbers"],
        TABLES["taxNumbers"]["oneStop"],
    ]
    assert all(table["source"] for table in tables)


def test_a_start_loads_no_large_table() -> None:
    program = (
        "import sys, schemas.preferences, schemas.contact;"
        "print([name for name in sys.modules if name.startswith(('stdnum', 'language_tags', 'phonenumbers', 'dns.'))])"
    )
    root = Path(schemas.__file__).parents[1]
    started = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert started.stdout.strip() == "[]"
