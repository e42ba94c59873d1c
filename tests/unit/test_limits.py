"""The limits that somebody is told of: in the contract, the documentation, an answer, or a message."""

from cli.operating import token_check
from db import raising
from db.dead_letters import LARGEST_NUMBER
from domain.dead_letters import SHOWN_BYTES
from schemas import topics
from schemas.tokens import LARGEST_TOKEN_BYTES
from service.kubernetes import finding, listing, options
from service.lookups import answering
from service.lookups.spool import LONGEST_LINE
from workers import redriving
from workers.replaying.beginning import DEFAULT_PARTITIONS
from workers.runtime import oauth
from workers.runtime.tokens import keys, reading

_KIB = 1024
_MIB, _GIB = _KIB**2, _KIB**3
_BIGINT = 9_223_372_036_854_775_807


def test_sizes() -> None:
    assert (answering.LARGEST_DOCUMENT, answering.LARGEST_LINES, LONGEST_LINE) == (48 * _MIB, 4 * _GIB, 256 * _KIB)
    assert topics._LARGEST_EVENT_BYTES == 8 * _MIB
    assert SHOWN_BYTES == 64 * _KIB
    assert LARGEST_TOKEN_BYTES == 8 * _KIB
    assert LARGEST_TOKEN_BYTES < token_check._READ_BYTES == 64 * _KIB
    assert reading.LARGEST_DOCUMENT_BYTES == 256 * _KIB
    assert oauth._LARGEST_BYTES == 64 * _KIB
    assert redriving._LARGEST_REQUEST_BYTES == 256 * _MIB


def test_numbers() -> None:
    assert {LARGEST_NUMBER, finding._LARGEST_NUMBER, options._LARGEST} == {_BIGINT}
    assert listing._LARGEST_PAGE == 10_000
    assert keys._SMALLEST_RSA_BITS == 2048
    assert DEFAULT_PARTITIONS == 12


def test_time() -> None:
    assert raising.MOST_APART.total_seconds() == 5
