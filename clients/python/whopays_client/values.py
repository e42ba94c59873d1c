"""The scalar values of messages, and the meanings of `None` and `null`.

`None` always means that a member is left out. Where the interface gives JSON's `null` a meaning, it has a name that
is never written by accident: `CLEAR` (removes a member of an account) and `NOBODY` (no account).
"""

from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel


class Null(Enum):
    """The meanings of JSON's `null`."""

    CLEAR = "clear"
    NOBODY = "nobody"


CLEAR: Final = Null.CLEAR
"""Removes a member of an account: `UpdateAccount(..., contact=CLEAR)`."""
NOBODY: Final = Null.NOBODY
"""No account: `BindProject(..., expected_account=NOBODY)` binds only a project without a payer."""

_AS_NULL = PlainSerializer(lambda _: None, return_type=None)
Clear = Annotated[Literal[Null.CLEAR], _AS_NULL]
Nobody = Annotated[Literal[Null.NOBODY], _AS_NULL]


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError("amounts are exact: give a Decimal, a whole number, or a string such as '2.5'")
    return value


Identifier = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
"""The name of an organization, project, account or payment profile: 1 to 253 of a-z, 0-9, '.' and '-'."""

Instant = AwareDatetime
"""An instant with its offset from UTC; whopays has microsecond precision."""

Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(max_digits=18, decimal_places=6),
    PlainSerializer(lambda value: format(value, "f"), return_type=str),
]
"""A percentage or an amount of money, exact: at most 18 digits, 6 of them decimals. A string on the wire."""


class Part(BaseModel):
    """Base of messages and their parts: immutable, snake_case here and camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    def data(self) -> dict[str, Any]:
        """Return it as JSON types, without the members that are not given (contract, section 5)."""
        dumped: dict[str, Any] = self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        return dumped


class WithNull(Part):
    """Base of messages with members for which JSON's `null` has a meaning."""

    nulls: ClassVar[dict[str, Null]] = {}
    """The members for which JSON's `null` has a meaning, by their names on the wire."""

    @model_validator(mode="wrap")
    @classmethod
    def _with_meaning_of_null(cls, data: Any, handler: Any, info: Any) -> Self:
        # In Python, None leaves a member out; in JSON, null has its meaning.
        if cls.nulls and info.mode == "json" and isinstance(data, dict):
            data = {
                name: cls.nulls[name] if value is None and name in cls.nulls else value for name, value in data.items()
            }
        made: Self = handler(data)
        return made
