"""The schemas of the objects: each member in docs/contract.md section 11, and its meaning."""

from typing import get_args

from schemas.events import ConditionType, Phase
from schemas.facts import PaymentProfileKind
from schemas.terms import InvoiceFrequency
from service.kubernetes.objects import BINDING_PHASES, Object
from service.kubernetes.resources import RESOURCES, VERSION

_META_PACKAGE = "io.k8s.apimachinery.pkg.apis.meta.v1"
META = {name: f"{_META_PACKAGE}.{name}" for name in ("ObjectMeta", "ListMeta", "Status")}


def schema_name(group: str, kind: str) -> str:
    """Return the name of a kind's schema: the group's labels in reverse order, as other tools name it."""
    return f"{'.'.join(reversed(group.split('.')))}.{VERSION}.{kind}"


def _text(description: str, **more: object) -> Object:
    return {"type": "string", "description": description, **more}


def _number(description: str, **more: object) -> Object:
    return {"type": "integer", "format": "int64", "description": description, **more}


def _instant(description: str) -> Object:
    return _text(description, format="date-time")


def _members(description: str, required: tuple[str, ...] = (), /, **properties: Object) -> Object:
    listed = {"required": list(required)} if required else {}
    return {"type": "object", "description": description, **listed, "properties": properties}


def _reference(name: str, description: str) -> Object:
    return {"description": description, "allOf": [{"$ref": f"#/components/schemas/{name}"}]}


def _conditions(description: str, types: tuple[str, ...]) -> Object:
    return {
        "type": "array",
        "description": description,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": _members(
            "A condition.",
            ("type", "status", "reason", "message"),
            type=_text("What the condition is about.", enum=list(types)),
            status=_text("Whether the condition holds.", enum=["True", "False"]),
            reason=_text("Why, in one word."),
            message=_text("Why, for people."),
            lastTransitionTime=_instant("When the status last changed."),
        ),
    }


_NAME = _text("The name.")

_ACCOUNT = (
    _members(
        "The configuration of the account.",
        currencyCode=_text("The currency of its invoices (ISO 4217)."),
        paymentTerms=_members(
            "When invoices are issued and due.",
            netDays=_number("The number of days after its date at which an invoice is due."),
            invoiceFrequency=_text("How often invoices are issued.", enum=list(get_args(InvoiceFrequency))),
            invoiceDayOfMonth=_number("The day of the month on which invoices are issued."),
        ),
        paymentProfile=_members(
            "The payment profile attached to the account.",
            ("name",),
            name=_NAME,
            kind=_text("The kind of the profile; absent while it is unknown.", enum=list(get_args(PaymentProfileKind))),
        ),
    ),
    _members(
        "The computed state of the account.",
        ("phase", "conditions", "linkedProjectsCount"),
        phase=_text("The phase. Only a Ready account takes new bindings.", enum=[str(one) for one in Phase]),
        conditions=_conditions("The conditions that explain the phase.", get_args(ConditionType)),
        linkedProjectsCount=_number("The number of projects that the account pays for."),
    ),
)
_BINDING = (
    _members(
        "Which account pays for which project.",
        ("projectRef", "billingAccountRef"),
        projectRef=_members("The project that is paid for.", ("name",), name=_NAME),
        billingAccountRef=_members("The account that pays.", ("name",), name=_NAME),
    ),
    _members(
        "The state of the binding.",
        ("phase", "conditions", "billingResponsibility"),
        phase=_text("Active while the binding lasts; otherwise how it ended.", enum=list(BINDING_PHASES)),
        conditions=_conditions("Whether the account is bound.", ("Bound",)),
        billingResponsibility=_members(
            "When the account starts and stops paying.",
            ("establishedAt",),
            establishedAt=_instant("The instant at which the account starts to pay."),
            endedAt=_instant("The instant at which the account stops paying; absent while it pays."),
            currentAccount=_text("The account that pays now; absent once the binding has ended."),
        ),
    ),
)
_PROJECT = (
    _members(
        "The owner of the project.",
        ("organizationRef",),
        organizationRef=_members("The organization that owns the project.", ("name",), name=_NAME),
    ),
    _members(
        "The observed state of the project.",
        ("conditions",),
        conditions=_conditions("Whether the project is active.", ("Ready",)),
        billingResponsibility=_members(
            "Who pays for the project; absent if nobody does.",
            ("account", "establishedAt"),
            account=_text("The account that pays."),
            establishedAt=_instant("The instant at which the account started to pay."),
        ),
    ),
)
_DESCRIBED: dict[str, tuple[str, tuple[Object, Object]]] = {
    "BillingAccount": ("An account pays for projects of its organization, which is the namespace.", _ACCOUNT),
    "BillingAccountBinding": ("A binding says which account pays for a project from an instant on.", _BINDING),
    "Project": ("A project, and the account that pays for it.", _PROJECT),
}

_OF_META: dict[str, Object] = {
    META["ObjectMeta"]: _members(
        "The metadata of an object.",
        name=_NAME,
        namespace=_text("The organization."),
        uid=_text("A UUIDv5, derived from group, kind, organization and name."),
        resourceVersion=_text("The position in the log as of which the object was read."),
        creationTimestamp=_instant("When the object was created."),
    ),
    META["ListMeta"]: _members(
        "The metadata of a list.",
        **{
            "resourceVersion": _text("The position in the log as of which the list was read; start a watch from it."),
            "continue": _text("A token for the next page; absent on the last page."),
        },
    ),
    META["Status"]: _members(
        "Why a request was refused.",
        status=_text("Always `Failure`."),
        message=_text("Why, for people."),
        reason=_text("Why, in one word."),
        details=_members("What the refusal is about."),
        code=_number("The HTTP status."),
    ),
}


def _of_resources() -> dict[str, Object]:
    found: dict[str, Object] = {}
    for resource in RESOURCES:
        description, (spec, status) = _DESCRIBED[resource.kind]
        named = {"apiVersion": _text("The group and version."), "kind": _text("The kind.")}
        found[schema_name(resource.group, resource.kind)] = {
            **_members(
                description,
                **named,
                metadata=_reference(META["ObjectMeta"], "The metadata of an object."),
                spec=spec,
                status=status,
            ),
            "x-kubernetes-group-version-kind": [{"group": resource.group, "version": VERSION, "kind": resource.kind}],
        }
        found[schema_name(resource.group, resource.list_kind)] = {
            **_members(
                f"A list of objects of kind {resource.kind}.",
                ("items",),
                **named,
                metadata=_reference(META["ListMeta"], "The metadata of a list."),
                items={
                    "type": "array",
                    "description": "The objects.",
                    "items": {"$ref": f"#/components/schemas/{schema_name(resource.group, resource.kind)}"},
                },
            ),
            "x-kubernetes-group-version-kind": [
                {"group": resource.group, "version": VERSION, "kind": resource.list_kind}
            ],
        }
    return found


SCHEMAS: dict[str, Object] = {**_of_resources(), **_OF_META}
"""All schemas, by name."""
