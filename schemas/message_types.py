"""The `type` attribute of messages (docs/contract.md section 2); imports only the standard library."""

TYPE_PREFIX = "io.milo.billing."


def type_of(name: str) -> str:
    """Return the `type` attribute of a message of this service: `io.milo.billing.{name}.v1`."""
    return f"{TYPE_PREFIX}{name}.v1"


def short_type(type_: str) -> str:
    """Return the name in a `type` attribute: `BindProject` for `io.milo.billing.BindProject.v1`."""
    return type_.removeprefix(TYPE_PREFIX).removesuffix(".v1")
