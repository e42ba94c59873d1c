"""The plain values that messages are made of, and what it means to say nothing.

`None` always means that a member is left out. Where the interface gives JSON's `null` a meaning, it has a name that
nobody writes by accident: `CLEAR` (takes a member of an account away) and `NOBODY` (no account).
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
"""Takes a member of an account away: `UpdateAccount(..., contact=CLEAR)`."""
NOBODY: Final = Null.NOBODY
"""No account: `BindProject(..., expected_account=NOBODY)` binds only a project for which nobody pays."""

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
"""An instant with its offset from UTC; whopays keeps microseconds."""

Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(max_digits=18, decimal_places=6),
    PlainSerializer(lambda value: format(value, "f"), return_type=str),
]
"""A percentage or an amount of money, exact: at most 18 digits, 6 of them decimals. On the wire a string."""


class Part(BaseModel):
    """Base of messages and of what they are made of: immutable, snake_case here and camelCase on the wire."""

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
        """Return it as JSON's types, without what is not said (contract, section 5)."""
        said: dict[str, Any] = self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        return said


class WithNull(Part):
    """Base of what is sent with members for which JSON's `null` has a meaning."""

    nulls: ClassVar[dict[str, Null]] = {}
    """The members for which JSON's `null` has a meaning, by their names on the wire."""

    @model_validator(mode="wrap")
    @classmethod
    def _with_meaning_of_null(cls, data: Any, handler: Any, info: Any) -> Self:
        # From Python, None leaves a member out; in JSON, null says what it says.
        if cls.nulls and info.mode == "json" and isinstance(data, dict):
            data = {
                name: cls.nulls[name] if value is None and name in cls.nulls else value for name, value in data.items()
            }
        made: Self = handler(data)
        return made
