"""Kafka's metadata with topic ids: a topic that is deleted and re-created keeps its name and gets a new id.

aiokafka supports version 5 at most, which has no ids; so version 12 is defined here, in the style of its own requests.
"""

from collections.abc import Sequence
from io import BytesIO
from uuid import UUID

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_ASKED_BY_NAME = UUID(int=0)


class _Uuid(AbstractType):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _MetadataResponse_v12(Response):  # type: ignore[misc]  # noqa: N801 (aiokafka's naming)
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequest_v12(RequestStruct):  # type: ignore[misc]  # noqa: N801
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse_v12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class Metadata(Request[MetadataRequest_v5 | _MetadataRequest_v12]):  # type: ignore[misc]
    """Requests topics by name, with their ids if the broker supports the version that has them.

    `with_rights` also requests the operations that the client may do, as a bit field.
    """

    API_KEY = 3

    def __init__(self, names: Sequence[str], *, with_rights: bool = False) -> None:
        self._names = names
        self._with_rights = with_rights

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        if request_struct_class is _MetadataRequest_v12:
            topics: list[tuple[object, ...]] = [(_ASKED_BY_NAME, name, {}) for name in self._names]
            return request_struct_class(topics, False, self._with_rights, {})
        return request_struct_class(list(self._names), False)
