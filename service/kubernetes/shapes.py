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
            status=_text("Whether it holds.", enum=["True", "False"]),
            reason=_text("Why, in one word."),
            message=_text("Why, for people."),
            lastTransitionTime=_instant("When the status last changed."),
        ),
    }


_NAME = _text("The name.")

_ACCOUNT = (
    _members(
        "How the account is set up.",
        currencyCode=_text("The currency of its invoices (ISO 4217)."),
        paymentTerms=_members(
            "When invoices are written and due.",
            netDays=_number("How many days after its date an invoice is due."),
            invoiceFrequency=_text("How often invoices are written.", enum=list(get_args(InvoiceFrequency))),
            invoiceDayOfMonth=_number("On which day of the month they are written."),
        ),
        paymentProfile=_members(
            "The payment profile attached to it.",
            ("name",),
            name=_NAME,
            kind=_text(
                "The kind of the profile; absent while it is not known.", enum=list(get_args(PaymentProfileKind))
            ),
        ),
    ),
    _members(
        "What is computed of the account.",
        ("phase", "conditions", "linkedProjectsCount"),
        phase=_text("Its phase. Only an account that is Ready takes new bindings.", enum=[str(one) for one in Phase]),
        conditions=_conditions("What explains the phase.", get_args(ConditionType)),
        linkedProjectsCount=_number("How many projects it pays for."),
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
        "Whether the binding lasts.",
        ("phase", "conditions", "billingResponsibility"),
        phase=_text("Active while it lasts; else how it ended.", enum=list(BINDING_PHASES)),
        conditions=_conditions("Whether the account is bound.", ("Bound",)),
        billingResponsibility=_members(
            "From when until when the account pays.",
            ("establishedAt",),
            establishedAt=_instant("The instant from which on the account pays."),
            endedAt=_instant("The instant from which on it no longer pays; absent while it pays."),
            currentAccount=_text("The account that pays now; absent once the binding has ended."),
        ),
    ),
)
_PROJECT = (
    _members(
        "Where the project belongs.",
        ("organizationRef",),
        organizationRef=_members("The organization that owns it.", ("name",), name=_NAME),
    ),
    _members(
        "What is known of the project.",
        ("conditions",),
        conditions=_conditions("Whether the project is active.", ("Ready",)),
        billingResponsibility=_members(
            "Who pays for it; absent where nobody does.",
            ("account", "establishedAt"),
            account=_text("The account that pays."),
            establishedAt=_instant("The instant from which on it pays."),
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
        "What every object has.",
        name=_NAME,
        namespace=_text("The organization."),
        uid=_text("Follows from group, kind, organization and name (UUIDv5)."),
        resourceVersion=_text("The position in the log of which the object is."),
        creationTimestamp=_instant("When it came to be."),
    ),
    META["ListMeta"]: _members(
        "What every list has.",
        **{
            "resourceVersion": _text("The position in the log of which the list is: a watch goes on from it."),
            "continue": _text("Names the page that follows, if any."),
        },
    ),
    META["Status"]: _members(
        "What is refused, and why.",
        status=_text("`Failure`."),
        message=_text("Why, for people."),
        reason=_text("Why, in one word."),
        details=_members("What it is about."),
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
                metadata=_reference(META["ObjectMeta"], "What every object has."),
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
                metadata=_reference(META["ListMeta"], "What every list has."),
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
