"""Authorizes requests for resources before anything is read, by the same rules as all other questions."""

from dataclasses import dataclass, replace

from db.questions.reached import EVERYWHERE, Reached
from domain.reach import reach_of
from schemas.askers import Verified
from service.asker import TRUSTED
from service.kubernetes.objects import Object, fields_of
from service.kubernetes.resources import (
    ACCOUNT,
    BILLING_ACCOUNT_BINDINGS,
    BILLING_ACCOUNTS,
    NAME,
    PROJECT,
    PROJECTS,
    Resource,
)
from service.kubernetes.selectors import Selection
from service.kubernetes.statuses import Refusal, forbidden


@dataclass(frozen=True, slots=True)
class Admitted:
    """An authenticated asker, and what is within their reach."""

    asker: Verified = TRUSTED
    reached: Reached = EVERYWHERE

    def sees(self, resource: Resource, shown: Object) -> bool:
        """Return whether the asker sees an object of the organization in the path."""
        fields, reach = fields_of(resource, shown), self.reached.everywhere
        if resource is BILLING_ACCOUNT_BINDINGS:
            return reach.sees(fields[PROJECT], fields[ACCOUNT])
        return (reach.sees_account if resource is BILLING_ACCOUNTS else reach.sees_project)(fields[NAME])

    def within(self, resource: Resource, selection: Selection) -> Selection:
        """Return the selection, or an empty one if it names a project or an account out of reach."""
        reach = self.reached.everywhere
        sees = {PROJECT: reach.sees_project, ACCOUNT: reach.sees_account}
        if resource is BILLING_ACCOUNTS:
            sees = {NAME: reach.sees_account}
        if resource is PROJECTS:
            sees = {NAME: reach.sees_project}
        named = ((field, selection.only(field)) for field in sees)
        is_reached = all(name is None or sees[field](name) for field, name in named)
        return selection if is_reached else replace(selection, is_empty=True)

    def sees_project_of(self, binding: str) -> bool:
        """Return whether the project in a binding's name is within reach; True for a malformed name, which has none."""
        project, _, number = binding.rpartition("-")
        return not (project and number.isdecimal()) or self.reached.everywhere.sees_project(project)

    def refusal(self, verb: str, resource: Resource | None, organization: str | None, name: str | None) -> Refusal:
        """Return the refusal for an object or resource out of reach; without a resource, for a namespace."""
        group, plural = ("", "namespaces") if resource is None else (resource.group, resource.plural)
        return forbidden(self.asker.asker.person, verb, group, plural, organization, name)


def admitted(
    asker: Verified, verb: str, resource: Resource | None, organization: str | None, name: str | None
) -> Admitted:
    """Return what the asker may see of an organization, or of all. Raises Refusal.

    A binding is visible if its project or its account is within reach, so a named binding is judged after it is read.
    """
    if organization is None:
        reached = Reached.of_all(asker.asker)
    else:
        reach = reach_of(asker.asker, organization)
        reached = None if reach is None else Reached(reach)
    if reached is None:
        raise Admitted(asker).refusal(verb, resource, organization, organization if resource is None else name)
    found, reach = Admitted(asker, reached), reached.everywhere
    if (name is not None and resource is BILLING_ACCOUNTS and not reach.sees_account(name)) or (
        name is not None and resource is PROJECTS and not reach.sees_project(name)
    ):
        raise found.refusal(verb, resource, organization, name)
    return found
