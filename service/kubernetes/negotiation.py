"""Negotiates the form of an answer: the object, a table, or metadata alone; or aggregated discovery."""

from dataclasses import dataclass

from service.kubernetes.discovery import AGGREGATED
from service.kubernetes.statuses import not_acceptable
from service.problems import quoted

JSON = "application/json"
_META, _DISCOVERY = "meta.k8s.io", "apidiscovery.k8s.io"
_DISCOVERY_LIST = "APIGroupDiscoveryList"
_META_VERSIONS = ("v1", "v1beta1")
_MEANS_JSON = frozenset({JSON, "application/*", "*/*"})


@dataclass(frozen=True, slots=True)
class Form:
    """A form of an answer: the resource itself if `kind` is empty, else an object of that kind, group and version."""

    kind: str = ""
    group: str = ""
    version: str = ""

    @property
    def group_version(self) -> str:
        """The `apiVersion` of an answer in this form."""
        return f"{self.group}/{self.version}"

    @property
    def media(self) -> str:
        """The content type."""
        return f"{JSON};g={self.group};v={self.version};as={self.kind}" if self.kind == _DISCOVERY_LIST else JSON


AS_IT_IS = Form()


def object_form(accept: str | None, *, is_list: bool) -> Form:
    """Return the client's preferred form of an object (a watch's events have objects) or a list. Raises Refusal."""
    kinds = ("Table", "PartialObjectMetadataList" if is_list else "PartialObjectMetadata")
    return _first(accept, kinds, _META, _META_VERSIONS)


def discovery_form(accept: str | None) -> Form:
    """Return the client's preferred form of discovery. Raises Refusal."""
    return _first(accept, (_DISCOVERY_LIST,), _DISCOVERY, AGGREGATED)


def plain_form(accept: str | None) -> Form:
    """Return the plain form, for what has no other. Raises Refusal if the client does not accept it."""
    return _first(accept, (), "", ())


def _first(accept: str | None, kinds: tuple[str, ...], group: str, versions: tuple[str, ...]) -> Form:
    if accept is None or not accept.strip():
        return AS_IT_IS
    for media, parameters in sorted(_ranges(accept), key=_weight, reverse=True):
        if media not in _MEANS_JSON or _weight((media, parameters)) == 0:
            continue
        kind = parameters.get("as", "")
        if not kind:
            return AS_IT_IS
        if kind in kinds and parameters.get("g") == group and parameters.get("v") in versions:
            return Form(kind, group, parameters["v"])
    raise not_acceptable(f"{JSON} (not {quoted(accept)})")


def _ranges(accept: str) -> list[tuple[str, dict[str, str]]]:
    found = []
    for part in accept.split(","):
        media, *parameters = (one.strip() for one in part.split(";"))
        named = (one.partition("=") for one in parameters)
        found.append((media.lower(), {name.strip(): value.strip().strip('"') for name, _, value in named}))
    return found


def _weight(range_: tuple[str, dict[str, str]]) -> float:
    try:
        return float(range_[1].get("q", "1"))
    except ValueError:
        return 1.0
