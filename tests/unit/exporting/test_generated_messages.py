"""Whatever a published schema describes is read: messages are generated from the schemas alone."""

import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.exporting.asyncapi import example_event
from schemas.exporting.catalogue import MESSAGES, Message
from schemas.forms import ALSO_CHECKED, EMAIL, INSTANT, LANGUAGE, PHONE, TAX_NUMBER, TEXT, Schema
from tests.support.contract_files import check_read, faults, published_schema
from tests.support.properties import examples
from tests.unit.schemas.building import record

READ = [name for name, message in MESSAGES.items() if message.is_read]
REGISTRATIONS = [
    {"country": "DE", "number": "DE136695976"},
    {"country": "ES", "number": "ES54362315K"},
    {"country": "IT", "number": "IT00743110157"},
    {"country": "MX", "number": "XAXX010101000"},
]
ADDRESSES = ["0088:7300010000001", "iso6523-actorid-upis::9930:de1", "somewhere"]
# What the schemas tell in words only is generated from these.
WORDS: dict[str, list[str]] = {
    EMAIL.read["pattern"]: ["ada@example.com", "用户@example.com"],
    PHONE.read["pattern"]: ["+41445550100", "+4930123456"],
    LANGUAGE.read["pattern"]: ["de", "de-CH", "zh-Hant-TW", "en-GB"],
}
# No character here changes its length in NFC, and no digits could be a card number.
TEXTS = st.text(st.sampled_from('aZ äß漢🙂.-/"\\é'), max_size=80)
LARGEST = 2**63 - 1


@pytest.mark.parametrize("name", READ)
@given(chosen=st.data())
@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
def test_what_a_schema_describes_is_read(name: str, chosen: st.DataObject) -> None:
    data = chosen.draw(_messages(name))
    assume(not faults(name, data))
    assume(not _is_also_checked(data))
    message = MESSAGES[name]
    assert _read(message, data) is message, data


def _read(message: Message, data: Any) -> Message | None:
    value = json.dumps(example_event(message, data)).encode()
    return check_read(record(value, topic=f"billing.{message.topic}"))


@cache
def _messages(name: str) -> st.SearchStrategy[Any]:
    schema = published_schema(name)
    return _of(schema, schema)


def _of(schema: Schema, document: Schema) -> st.SearchStrategy[Any]:
    """Return values of a schema; rules about several members are left to a filter."""
    match schema:
        case {"$ref": str(target)}:
            return _of(document["$defs"][target.rsplit("/", 1)[-1]], document)
        case {"anyOf": [*alternatives]}:
            return st.one_of(*(_of(one, document) for one in alternatives))
        case {"enum": [*values]}:
            return st.sampled_from(values)
        case {"properties": {"country": _, "number": _}}:
            return st.sampled_from(REGISTRATIONS)
        case {"properties": dict(members)}:
            return _object(members, set(schema.get("required", ())), document)
        case {"type": "array", "items": items}:
            unique = json.dumps if schema.get("uniqueItems") or "TaxRegistration" in str(items) else None
            return st.lists(
                _of(items, document),
                min_size=schema.get("minItems", 0),
                max_size=min(schema.get("maxItems", 5), 5),
                unique_by=unique,
            )
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "integer"}:
            return st.integers(schema.get("minimum", 0), schema.get("maximum", LARGEST))
        case {"type": "null"}:
            return st.none()
        case {"type": "string"}:
            return _text(schema)
        case _:
            raise AssertionError(f"no values are known for {schema}")


def _object(members: Schema, required: set[str], document: Schema) -> st.SearchStrategy[dict[str, Any]]:
    strategies = {name: _of(said, document) for name, said in members.items()}
    if "standard" in members:
        strategies["address"] = st.sampled_from(ADDRESSES)
    return st.fixed_dictionaries(
        {name: values for name, values in strategies.items() if name in required},
        optional={name: values for name, values in strategies.items() if name not in required},
    )


def _text(schema: Schema) -> st.SearchStrategy[str]:
    pattern = schema["pattern"]
    if pattern in WORDS:
        return st.sampled_from(WORDS[pattern])
    if pattern == INSTANT.read["pattern"]:
        return st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(_written)  # noqa: DTZ001 (hypothesis adds the zone)
    if pattern == TEXT.read["pattern"]:
        assert ALSO_CHECKED not in schema or schema[ALSO_CHECKED] == TAX_NUMBER.read[ALSO_CHECKED]
        return TEXTS.filter(lambda text: len(text) >= schema.get("minLength", 0))
    # `$` matches before a line break at the end, in Python alone.
    exact = re.compile(pattern.removesuffix("$") + r"\Z")
    longest = schema.get("maxLength", LARGEST)
    return st.from_regex(exact).filter(lambda text: len(text) <= longest)


def _written(instant: datetime) -> str:
    text = instant.isoformat()
    return text.replace("+00:00", "Z") if instant.microsecond % 2 else text.replace("T", "t")


def _is_also_checked(data: dict[str, Any]) -> bool:
    """Return whether a message breaks a rule that its schema tells in words only."""
    terms = data.get("paymentTerms") or {}
    discount = terms.get("earlyPaymentDiscount") or {}
    net_days = terms.get("netDays")
    return (
        discount.get("withinDays", 0) >= (30 if net_days is None else net_days)
        or ("fromAccount" in data and data["fromAccount"] == data["toAccount"])
        or bool(re.search("[0-9][0-9 -]{11}", json.dumps([value for value in data.values() if isinstance(value, str)])))
    )
