"""The schemas of the envelope (docs/contract.md section 2): as it is read in both modes, and as it is published."""

from typing import Any

from schemas.envelope import LONGEST_ID, SPECVERSION
from schemas.exporting.generating import document
from schemas.forms import ALSO_CHECKED, INSTANT, Schema
from schemas.message_types import TYPE_PREFIX
from schemas.people import LONGEST_AUTHID

READ = "Envelope"
READ_BINARY = "EnvelopeInBinaryMode"
PUBLISHED = "PublishedEnvelope"

_ID = f"^[ -~]{{1,{LONGEST_ID}}}$"
_TYPE = f"^{TYPE_PREFIX.replace('.', '[.]')}[A-Za-z]+[.]v1$"
_NO_CONTROLS = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
_TRACE_PARENT = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?$"
_PLACE = "^([0-9]+-[0-9]+|watermark-.+|replay-.+-[0-9]+)$"
_AUTHID = "no blank at either end, nothing invisible; it does not begin `system:`; whether its owner is admitted"


def _text(description: str, least: int, most: int, pattern: str | None = None, **more: Any) -> Schema:
    said = {"description": description, "type": "string", "minLength": least, "maxLength": most}
    return said | ({"pattern": pattern} if pattern else {}) | more


def _read_attributes() -> dict[str, Schema]:
    return {
        "specversion": {"description": "The version of CloudEvents.", "const": SPECVERSION},
        "id": _text(
            "The message's id, chosen by the sender. With `organization` and `source` it is a command's identity: the "
            "same again, with the same meaning, changes nothing.",
            1,
            LONGEST_ID,
            _ID,
        ),
        "source": _text("Which service sends.", 1, 256, _NO_CONTROLS),
        "type": _text("Which message it is: `io.milo.billing.{Name}.v1`.", 1, 256, _TYPE),
        "time": {"description": "When it was said; never used for order. Default: the record's timestamp."}
        | INSTANT.read,
        "expirytime": {"description": "A command that is first read after it is refused (`Expired`)."} | INSTANT.read,
        "subject": {"description": "Ignored."},
        "authid": _text(
            "Who asks, where whopays checks no tokens; needed by every command there.",
            1,
            LONGEST_AUTHID,
            **{ALSO_CHECKED: _AUTHID},
        ),
        "answer": {
            "description": "Asks for the result of a command that was sent before.",
            "const": "again",
        },
        "correlationid": _text("An id of the sender's own, passed on to all that follows.", 1, 512, _NO_CONTROLS),
        "traceparent": _text("The trace (W3C Trace Context), passed on to all that follows.", 1, 512, _TRACE_PARENT),
    }


_REQUIRED = ["specversion", "id", "source", "type"]


_SCALARS = {"type": ["string", "integer", "boolean"]}
_WITH_SCALARS = ("id", "source", "authid", "correlationid")


def _in_json(name: str, said: Schema) -> Schema:
    """Allow a text to be sent as a JSON boolean or integer, meaning its canonical text; an optional one as null."""
    if name in _WITH_SCALARS:
        said = said | _SCALARS
    if name in _REQUIRED:
        return said
    described = {"description": said["description"]}
    return described | {
        "anyOf": [{word: rule for word, rule in said.items() if word not in described}, {"type": "null"}]
    }


def envelopes() -> dict[str, Schema]:
    """Return the schemas of the envelope, by name."""
    attributes = _read_attributes()
    return {
        READ: document(
            READ,
            is_read=True,
            title=READ,
            description=(
                "A command or fact in structured mode: the record's value. Its data are in `data`, or as JSON in "
                "base64 in `data_base64`. Attributes that are not named here are ignored."
            ),
            type="object",
            properties={name: _in_json(name, said) for name, said in attributes.items()}
            | {
                "data": {"description": "What the message says, by the schema that its `type` names."},
                "data_base64": {"description": "The bytes of `data` as JSON, in base64.", "type": ["string", "null"]},
            },
            required=_REQUIRED,
            oneOf=[
                {"required": ["data"], "properties": {"data": {"type": "object"}}},
                {"required": ["data_base64"], "properties": {"data_base64": {"type": "string"}}},
            ],
        ),
        READ_BINARY: document(
            READ_BINARY,
            is_read=True,
            title=READ_BINARY,
            description=(
                "A command or fact in binary mode: the record's headers, as an object of texts in UTF-8. The record's "
                "value is the data, by the schema that `ce_type` names. Headers that are not named here are ignored."
            ),
            type="object",
            properties={f"ce_{name}": said for name, said in attributes.items()}
            | {
                "content-type": _text("Of the data.", 0, 256),
                "traceparent": _text("As OpenTelemetry writes it; `ce_traceparent` counts where both are.", 1, 512),
                "authorization": _text("`Bearer` and a token, where whopays checks tokens.", 1, 16 * 1024),
            },
            required=[f"ce_{name}" for name in _REQUIRED],
        ),
        PUBLISHED: document(
            PUBLISHED,
            is_read=False,
            title=PUBLISHED,
            description=(
                "Everything that whopays publishes, in structured mode, with the headers `content-type: "
                "application/cloudevents+json`, `traceparent` where it is known, and `whopays-replay` where it is "
                "replayed."
            ),
            type="object",
            properties=_published_attributes(),
            required=[*_REQUIRED, "time", "subject", "data"],
        ),
    }


def _published_attributes() -> dict[str, Schema]:
    return {
        "specversion": {"description": "The version of CloudEvents.", "const": SPECVERSION},
        "id": _text("Unique for ever, and the same on every replay: `{shard}-{position}`.", 1, LONGEST_ID, _PLACE),
        "source": _text("The installation.", 1, 256, "^/whopays/"),
        "type": _text("Which message it is: `io.milo.billing.{Name}.v1`.", 1, 256, _TYPE),
        "time": {"description": "The instant of the change, in UTC to the microsecond."} | INSTANT.published,
        "subject": {"description": "What it is about; sequences count by it.", "type": "string"},
        "sequence": {
            "description": "On `bindings` and `accounts`: the gapless number of this subject, 20 digits.",
            "type": "string",
            "pattern": "^[0-9]{20}$",
        },
        "partitionkey": {"description": "The record key.", "type": "string"},
        "causationid": {"description": "The id of the command or fact that caused it.", "type": "string"},
        "authid": {
            "description": "Who asked, where that is known; of a fact its `authid` or `source`.",
            "type": "string",
        },
        "correlationid": {"description": "As the command or fact had it.", "type": "string"},
        "traceparent": {"description": "As the command or fact had it.", "type": "string", "pattern": _TRACE_PARENT},
        "data": {"description": "What the message says, by the schema that its `type` names.", "type": "object"},
    }
