"""What looks like a token is never passed on, however long its header is (docs/contract.md section 2)."""

from base64 import urlsafe_b64encode

import pytest

from schemas.tracing import looks_like_token


def _header(length: int) -> str:
    """Return a header whose key id has so many letters, as a token writes it."""
    return urlsafe_b64encode(b'{"alg":"ES256","kid":"%s"}' % (b"k" * length)).decode().rstrip("=")


@pytest.mark.parametrize("length", range(61))
def test_a_header_of_any_length_makes_a_token(length: int) -> None:
    header = _header(length)
    for token in (f"{header}.x.y", f"{header}.x.y.z.", f"Bearer {header}..", f"a.{header}.x.y", f"1.2.3, {header}.x.y"):
        assert looks_like_token(token), token


@pytest.mark.parametrize("form", ("{}", "{}.", "{}.x", "a.{}.x", "a.b.{}", "{} .x.y", "x{}.x.y"))
def test_without_two_parts_behind_it_a_header_is_none(form: str) -> None:
    assert not looks_like_token(form.format(_header(5)))
