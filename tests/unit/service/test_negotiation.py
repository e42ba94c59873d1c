"""Which media type is answered, what is compressed, and what is known already."""

import pytest

from service.answers import accepts_gzip, is_known
from service.negotiation import chosen, understood
from service.problems import Problem

OFFERED = ("application/json", "application/x-ndjson")


@pytest.mark.parametrize(
    ("accepted", "media"),
    (
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("APPLICATION/X-NDJSON", "application/x-ndjson"),
        ("text/html, application/x-ndjson;q=0.2, */*;q=0.1", "application/x-ndjson"),
        ("application/json;q=0, */*", "application/x-ndjson"),
        ("application/x-ndjson, application/json", "application/json"),
        ("application/*;q=0.9, application/json;q=0.1, */*;q=0.2", "application/x-ndjson"),
        ("application/*;q=0, application/x-ndjson", "application/x-ndjson"),
        ("*/*, application/*;q=0.1, application/json;q=0.2", "application/json"),
        ("application/x-ndjson;q=0.2, application/json;q=2", "application/json"),
        ("application/x-ndjson;q=0.2, application/json;q=-1", "application/x-ndjson"),
        ("application/x-ndjson;q=0.2, application/json; level=1 ; q = 0.1", "application/x-ndjson"),
        ("application/x-ndjson;q=1, application/json;q=0.9", "application/x-ndjson"),
    ),
)
def test_the_media_type_that_is_accepted_most(accepted: str | None, media: str) -> None:
    assert chosen(accepted, OFFERED) == media


@pytest.mark.parametrize("accepted", ("text/html", "*/json", "*/*;q=0", "json", "application/json;q=x", ";"))
def test_what_is_not_acceptable(accepted: str) -> None:
    with pytest.raises(Problem, match="NotAcceptable"):
        chosen(accepted, OFFERED)


def test_bodies_that_are_understood() -> None:
    for said in ("; charset=utf-8", ';charset="UTF-8"', " ; Charset = utf8 ; x=y", "; profile=latin-1", ";"):
        assert understood(f"Application/JSON{said}", None, OFFERED) == "application/json"
    for other in (None, "", "text/json", "application/json5"):
        with pytest.raises(Problem, match="UnsupportedMediaType"):
            understood(other, None, OFFERED)
    for encoding in ("", "identity", " Identity "):
        assert understood("application/json", encoding, OFFERED) == "application/json"
    for encoding in ("gzip", "identity, gzip", "br"):
        with pytest.raises(Problem, match="UnsupportedMediaType"):
            understood("application/json", encoding, OFFERED)


@pytest.mark.parametrize(
    "said",
    ("latin-1", "ISO-8859-1", "utf-16", '"utf-16"', "us-ascii", "", "utf-8, text/plain", "utf-8; charset=latin-1"),
)
@pytest.mark.parametrize("media", OFFERED)
def test_a_body_is_utf_8(media: str, said: str) -> None:
    with pytest.raises(Problem, match=r"UnsupportedMediaType.*UTF-8"):
        understood(f"{media}; charset={said}", None, OFFERED)


@pytest.mark.parametrize(
    ("accepted", "is_accepted"),
    (
        (b"gzip", True),
        (b"br, GZIP;q=0.5", True),
        (b"*", True),
        (b"identity, *;q=0", False),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"gzip;q=0.001", True),
        (b"br", False),
        (b"", False),
    ),
)
def test_who_accepts_gzip(accepted: bytes, is_accepted: bool) -> None:
    assert accepts_gzip(accepted) is is_accepted


@pytest.mark.parametrize(
    ("known", "is_it"),
    (
        (b'W/"a"', True),
        (b'"a"', True),
        (b'"b", W/"a"', True),
        (b"*", True),
        (b'"b"', False),
        (b"a", False),
        (b"", False),
    ),
)
def test_what_is_known(known: bytes, is_it: bool) -> None:
    assert is_known(known, b'W/"a"') is is_it
