"""YAML read with JSON types only, and JSON written with every number as it was in the YAML."""

import json
import re
from pathlib import Path
from typing import Any, Self, TypeAlias

import yaml

Json: TypeAlias = Any
"""Text, number, true/false, null, list or map of these."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)$")
_FRACTION = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$")


class FormatError(Exception):
    """A file of cases that does not keep to the format; the message names file, case and member."""


class NumberAsWritten(float):
    """A number that Python would spell differently: `30.0`, `1e5`, `-0`."""

    written: str

    def __new__(cls, written: str) -> Self:
        number = super().__new__(cls, written)
        number.written = written
        return number


class _JsonTypes(yaml.SafeLoader):
    """Resolves nothing but what JSON knows: an unquoted time, `yes` or `0x10` stays text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML keeps its tables on the class and declares them otherwise
    yaml_constructors = {}  # noqa: RUF012

    def construct_json_map(self, node: yaml.MappingNode) -> dict[str, Json]:
        mapping: dict[str, Json] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a name must be text", name_node.start_mark)
            if name_node.value in mapping:
                problem = f"the name {name_node.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, name_node.start_mark)
            mapping[name_node.value] = self.construct_object(value_node, deep=True)
        return mapping

    def construct_json_list(self, node: yaml.SequenceNode) -> list[Json]:
        return [self.construct_object(child, deep=True) for child in node.value]

    def construct_json_integer(self, node: yaml.ScalarNode) -> int | NumberAsWritten:
        number = int(node.value)
        return number if str(number) == node.value else NumberAsWritten(node.value)

    def construct_unknown(self, node: yaml.Node) -> None:
        raise yaml.constructor.ConstructorError(None, None, f"{node.tag} is no JSON type", node.start_mark)


def _tag(name: str) -> str:
    return f"tag:yaml.org,2002:{name}"


_JsonTypes.add_implicit_resolver(_tag("null"), re.compile(r"(null|~|)$"), None)
_JsonTypes.add_implicit_resolver(_tag("bool"), re.compile(r"(true|false)$"), None)
_JsonTypes.add_implicit_resolver(_tag("int"), _INTEGER, None)
_JsonTypes.add_implicit_resolver(_tag("float"), _FRACTION, None)
_JsonTypes.add_constructor(_tag("null"), lambda _loader, _node: None)
_JsonTypes.add_constructor(_tag("bool"), lambda _loader, node: node.value == "true")
_JsonTypes.add_constructor(_tag("int"), _JsonTypes.construct_json_integer)
_JsonTypes.add_constructor(_tag("float"), lambda _loader, node: NumberAsWritten(node.value))
_JsonTypes.add_constructor(_tag("str"), lambda _loader, node: node.value)
_JsonTypes.add_constructor(_tag("seq"), _JsonTypes.construct_json_list)
_JsonTypes.add_constructor(_tag("map"), _JsonTypes.construct_json_map)
_JsonTypes.add_constructor(None, _JsonTypes.construct_unknown)


class _FastJsonTypes(yaml.CSafeLoader, _JsonTypes):
    """The same with the parser of libyaml, which is many times faster, but takes no lone surrogate."""

    yaml_implicit_resolvers = _JsonTypes.yaml_implicit_resolvers
    yaml_constructors = _JsonTypes.yaml_constructors


def read_yaml(path: Path) -> Json:
    """Return the content of a YAML file in JSON types. Raises `FormatError` for anything else, and duplicate names."""
    return read_yaml_text(path.read_text(encoding="utf-8"), path.name)


def read_yaml_text(text: str, name: str) -> Json:
    """Return the content of YAML text, like `read_yaml`; errors call it `name`."""
    try:
        # The loaders are SafeLoaders with fewer types still.
        try:
            return yaml.load(text, _FastJsonTypes)  # noqa: S506
        except yaml.YAMLError:
            return yaml.load(text, _JsonTypes)  # noqa: S506
    except (yaml.YAMLError, ValueError) as error:
        raise FormatError(f"{name}: {error}") from error


def to_json(value: Json) -> str:
    """Return compact JSON: numbers as they were written, text unescaped unless it holds a lone surrogate."""
    match value:
        case NumberAsWritten():
            return value.written
        case str():
            has_surrogate = any("\ud800" <= character <= "\udfff" for character in value)
            return json.dumps(value, ensure_ascii=has_surrogate)
        case list():
            return "[" + ",".join(to_json(member) for member in value) + "]"
        case dict():
            return "{" + ",".join(f"{to_json(name)}:{to_json(member)}" for name, member in value.items()) + "}"
        case _:
            return json.dumps(value)


def in_text(value: Json) -> str:
    """Return the characters a value has inside a longer text: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else to_json(value)
