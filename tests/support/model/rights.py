"""The model's idea of who may do what (docs/contract.md section 12): plain JSON, and nothing of the service's code."""

from typing import Any

_ADMIN, _USER = ["account-admin"], ["account-user", "account-admin"]
_ACCOUNT, _PROFILE = ("account", "accounts", _ADMIN), ("paymentProfile", "paymentProfiles", _ADMIN)
_OWNER = ("project", "projects", ["project-owner"])

NEEDED: dict[str, list[tuple[str, str | None, list[str]]]] = {
    "CreateAccount": [_ACCOUNT, _PROFILE],
    "UpdateAccount": [_ACCOUNT, _PROFILE],
    "AttachPaymentProfile": [_ACCOUNT, _PROFILE],
    "DetachPaymentProfile": [_ACCOUNT, _PROFILE],
    "RequestReactivation": [_ACCOUNT, _PROFILE],
    "RequestClosure": [_ACCOUNT, _PROFILE],
    "WithdrawClosure": [_ACCOUNT, _PROFILE],
    "SetDefaultAccount": [("account", None, _ADMIN)],
    "BindProject": [_OWNER, ("account", "accounts", _USER)],
    "CancelScheduledBinding": [_OWNER],
    "TransferProjects": [("fromAccount", "accounts", _ADMIN), ("toAccount", "accounts", _USER)],
    "SuspendAccount": [("account", "accounts", ["operator"])],
    "ReportBalance": [("account", "accounts", ["invoicing"])],
    "ApproveReactivation": [("account", "accounts", ["approver"])],
    "ApproveClosure": [("account", "accounts", ["approver"])],
}
"""Of each command what it needs: a member, the list that may leave out what it names (None: the whole organization is
needed), and the roles that do, the least first. A payment profile counts where one is named, and always where it is
attached."""

_KINDS = ("accounts", "projects", "paymentProfiles")


def lacking(type_: str, data: dict[str, Any], organization: str, grants: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return what a command lacks: each the member that it is about, and the least role that would do."""
    here = [grant for grant in grants if grant["organization"] == organization or grant["organization"] == "*"]
    if type_ not in NEEDED:
        return [] if here else [("organization", "viewer")]
    found = []
    for member, kind, usual in NEEDED[type_]:
        name, roles = data.get(member), usual
        if member == "paymentProfile" and name is None and type_ != "AttachPaymentProfile":
            continue
        if type_ == "SuspendAccount" and data.get("reason") == "PaymentFailure":
            roles = ["payments", *usual]
        if not any(grant["role"] in roles and _reaches(grant, kind, name) for grant in here):
            found.append((member, roles[0]))
    return found


def _reaches(grant: dict[str, Any], kind: str | None, name: Any) -> bool:
    if not any(one in grant for one in _KINDS):
        return True
    if kind is None or kind not in grant or not isinstance(name, str) or not _is_name(name):
        return False
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in grant[kind])


def _is_name(text: str) -> bool:
    ends = "abcdefghijklmnopqrstuvwxyz0123456789"
    return 1 <= len(text) <= 253 and text[0] in ends and text[-1] in ends and set(text) <= set(ends + ".-")
