"""What a secure broker lets principals do."""

from collections.abc import Mapping
from typing import Any

from aiokafka.protocol.admin import DescribeAclsRequest

from workers.runtime.settings import Settings
from workers.topics.acls import Party, allowed
from workers.topics.cluster import administration

Entry = tuple[int, str, int, int]
"""What a principal may do: the kind of a resource, its name, whether that is a prefix, and the operation."""

_ANY, _ALLOW = 1, 3


def entries_of(party: Party, settings: Settings) -> list[Entry]:
    """Return what a party is to be allowed."""
    return [
        (one.resource, one.name, one.pattern, operation)
        for one in allowed(party, settings)
        for operation in one.operations
    ]


async def given(settings: Settings, principals: Mapping[Party, str]) -> set[tuple[Party, Entry]]:
    """Return what the broker lets each principal do: all of it from everywhere, and nothing is denied."""
    parties = {principal: party for party, principal in principals.items()}
    async with administration(settings) as client:
        asked = DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
        answer: dict[str, Any] = (await client._send_request(asked)).to_object()
    found = set()
    for resource in answer["resources"]:
        kind, name, pattern = (resource[one] for one in ("resource_type", "resource_name", "resource_pattern_type"))
        for entry in resource["acls"]:
            if entry["principal"] in parties:
                assert (entry["permission_type"], entry["host"]) == (_ALLOW, "*")
                found.add((parties[entry["principal"]], (kind, name, pattern, entry["operation"])))
    return found
