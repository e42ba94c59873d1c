"""Authorizes a question before any statement runs (docs/contract.md section 12).

A refusal does not reveal what exists: it depends on the token and the request alone.
"""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

from domain.reach import reach_of
from domain.rights import READS_OPERATION, has_role, organizations_of
from schemas.askers import EVERY_ORGANIZATION
from service.asker import who_asks
from service.parameters import decoded
from service.problems import Problem, Reason, Violation
from service.questions import Access, Asked, Question

_PROXIED = (b"forwarded", b"x-forwarded-for")
_OUT_OF_REACH = {
    "organization": "The token grants no role in this organization.",
    "project": "The token grants no role for this project.",
    "account": "The token grants no role for this account.",
}


async def admit(asked: Asked, question: Question, names: Mapping[str, bytes]) -> None:
    """Set the asker and their reach. Raises Problem (`Unauthenticated`, `Forbidden`, `Unavailable`)."""
    if question.access is Access.OPEN or (question.access is Access.NEAR and is_near(asked)):
        return
    asked.asker = await who_asks(asked.state.tokens, asked.scope["headers"])
    asker = asked.asker.asker
    match question.access:
        case Access.ORGANIZATION:
            _admit_to_organization(asked, {name: decoded(raw) or "" for name, raw in names.items()})
        case Access.WHOLE_ORGANIZATION:
            if not has_role(asker, decoded(names["organization"]) or "", READS_OPERATION):
                raise forbidden(
                    [out_of_reach("organization", "It takes operator or auditor of the whole organization.")]
                )
        case Access.OPERATORS:
            asked.operated = organizations_of(asker, READS_OPERATION)
            if asked.operated is not None and not asked.operated:
                raise forbidden([out_of_reach("organization", "It takes operator or auditor of some organization.")])
        case Access.TOKEN:
            pass  # the body names what is asked about; it is checked when it is read
        case Access.NEAR:
            if asked.state.tokens is None or not has_role(asker, EVERY_ORGANIZATION, READS_OPERATION):
                message = "From other hosts, it takes operator or auditor of all organizations."
                raise forbidden([out_of_reach("organization", message)])


def is_near(asked: Asked) -> bool:
    """Return whether a request comes from this host and not through a proxy."""
    client = asked.scope.get("client")
    if client is None:
        return False
    address = ip_address(client[0].partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        # The form in which a server that listens on `::` sees IPv4 clients.
        address = address.ipv4_mapped
    if not address.is_loopback:
        return False
    return all(asked.header(name) is None for name in _PROXIED)


def out_of_reach(kind: str, message: str | None = None, field: str | None = None) -> Violation:
    """Return the violation for an `organization`, a `project` or an `account` out of the token's reach."""
    return Violation(Reason.FORBIDDEN, message or _OUT_OF_REACH[kind], kind if field is None else field)


def forbidden(violations: list[Violation], count: int | None = None) -> Problem:
    """Return the problem for an asker without the right to ask this; `count` is the total number of violations."""
    return Problem("Forbidden", "The token does not reach what is asked for.", violations, count=count)


def _admit_to_organization(asked: Asked, names: Mapping[str, str]) -> None:
    reach = reach_of(asked.asker.asker, names["organization"])
    if reach is None:
        raise forbidden([out_of_reach("organization")])
    asked.reach = reach
    if "project" in names and not reach.sees_project(names["project"]):
        raise forbidden([out_of_reach("project")])
    if "account" in names and not reach.sees_account(names["account"]):
        raise forbidden([out_of_reach("account")])
