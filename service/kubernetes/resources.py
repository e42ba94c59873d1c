"""The resources, and what a client may do with each (docs/contract.md section 11)."""

from dataclasses import dataclass

VERSION = "v1alpha1"
NAME, PHASE = "metadata.name", "status.phase"
PROJECT, ACCOUNT = "spec.projectRef.name", "spec.billingAccountRef.name"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource: its names, and its selectable fields."""

    group: str
    plural: str
    singular: str
    kind: str
    short_names: tuple[str, ...]
    verbs: tuple[str, ...]
    fields: tuple[str, ...]

    @property
    def api_version(self) -> str:
        """The group and the version."""
        return f"{self.group}/{VERSION}"

    @property
    def list_kind(self) -> str:
        """The kind of a list of the resource."""
        return f"{self.kind}List"

    @property
    def can_be_watched(self) -> bool:
        """Whether the resource supports watches."""
        return "watch" in self.verbs


BILLING_ACCOUNTS = Resource(
    group="billing.milo.io",
    plural="billingaccounts",
    singular="billingaccount",
    kind="BillingAccount",
    short_names=("ba",),
    verbs=("get", "list", "watch"),
    fields=(NAME, PHASE),
)
BILLING_ACCOUNT_BINDINGS = Resource(
    group="billing.milo.io",
    plural="billingaccountbindings",
    singular="billingaccountbinding",
    kind="BillingAccountBinding",
    short_names=("bab",),
    verbs=("get", "list", "watch"),
    fields=(NAME, PHASE, PROJECT, ACCOUNT),
)
PROJECTS = Resource(
    group="resources.milo.io",
    plural="projects",
    singular="project",
    kind="Project",
    short_names=(),
    verbs=("get", "list"),
    fields=(NAME,),
)
RESOURCES = (BILLING_ACCOUNTS, BILLING_ACCOUNT_BINDINGS, PROJECTS)
GROUPS = tuple(dict.fromkeys(resource.group for resource in RESOURCES))


def resources_of(group: str) -> tuple[Resource, ...]:
    """Return the resources of a group."""
    return tuple(resource for resource in RESOURCES if resource.group == group)
