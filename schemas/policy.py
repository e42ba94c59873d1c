"""The operator's policy (docs/contract.md sections 5 and 9): restricts currencies, regions and kinds of profiles."""

from collections.abc import Mapping
from dataclasses import field

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from schemas.immutable import dataclass


@dataclass(frozen=True, slots=True)
class OperatorPolicy:
    """What the operator allows, in the contract's own words and codes; None allows all of them.

    A validation receives it as `context["policy"]`.

    `payment_profile_kinds_by_country` restricts kinds further in the countries (ISO 3166-1 alpha-2) that it names.
    """

    currencies: frozenset[str] | None = None
    data_residencies: frozenset[str] | None = None
    payment_profile_kinds: frozenset[str] = frozenset({"CreditCard"})
    payment_profile_kinds_by_country: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def allows_payment_profile(self, kind: str, country: str | None) -> bool:
        """Return whether a profile of this kind is allowed in its country (None if it names none)."""
        if kind not in self.payment_profile_kinds:
            return False
        in_country = None if country is None else self.payment_profile_kinds_by_country.get(country)
        return in_country is None or kind in in_country


STORED = {"stored": True}
"""The context for reading stored values: they were valid when written, but current libraries may reject them."""


def is_stored(info: ValidationInfo) -> bool:
    """Return whether a validation reads stored values, which are not rechecked with libraries and country tables."""
    return bool((info.context or {}).get("stored"))


def policy_of(info: ValidationInfo) -> OperatorPolicy | None:
    """Return the policy under which a validation runs, or None if it has none."""
    policy = (info.context or {}).get("policy")
    return policy if isinstance(policy, OperatorPolicy) else None


def offered_currency(code: str, info: ValidationInfo) -> str:
    """Check that the operator offers a currency, whose code is already validated."""
    policy = policy_of(info)
    if policy is not None and policy.currencies is not None and code not in policy.currencies:
        raise PydanticCustomError("offered_currency", "must be a currency that the operator offers")
    return code


def offered_data_residency(region: str, info: ValidationInfo) -> str:
    """Check that the operator offers a region, whose code is already validated."""
    policy = policy_of(info)
    if policy is not None and policy.data_residencies is not None and region not in policy.data_residencies:
        raise PydanticCustomError("offered_data_residency", "must be a region that the operator offers")
    return region
