"""Finds the question for a path by its raw segments, so that an encoded slash never separates two."""

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from service.problems import Problem, quoted
from service.questions import Question

_NOWHERE = "There is no such path."


class _Node:
    """A node of the tree of path segments: its children, and the questions whose path ends here, by method."""

    __slots__ = ("following", "name", "named", "questions")

    def __init__(self) -> None:
        self.following: dict[bytes, _Node] = {}
        self.named: _Node | None = None
        self.name = ""
        self.questions: dict[str, Question] = {}


class Routes:
    """The paths of all questions."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self._root = _Node()
        for question in questions:
            node = self._root
            for part in question.path.encode().split(b"/")[1:]:
                node = _child(node, part)
            node.questions[question.method] = question

    def find(self, raw_path: bytes, method: str) -> tuple[Question, dict[str, bytes]]:
        """Return the question for a path and a method, and the segments that are names, still encoded.

        Raises Problem `NotFound` or `MethodNotAllowed`.
        """
        node, names = self._root, {}
        for part in raw_path.split(b"/")[1:]:
            if not part or (b"%" in part and _hides_a_slash(part)):
                raise Problem("NotFound", _NOWHERE)
            following = node.following.get(part) or (
                node.following.get(unquote_to_bytes(part)) if b"%" in part else None
            )
            if following is None:
                following = node.named
                if following is None:
                    raise Problem("NotFound", _NOWHERE)
                names[node.name] = part
            node = following
        if not node.questions:
            raise Problem("NotFound", _NOWHERE)
        question = node.questions.get("GET" if method == "HEAD" else method)
        if question is None or (method == "HEAD" and not question.has_head):
            said = f"{quoted(method)} is not a method of this path."
            raise Problem("MethodNotAllowed", said, headers={"Allow": _allowed(node)})
        return question, names


def _child(node: _Node, part: bytes) -> _Node:
    if not part.startswith(b"{"):
        return node.following.setdefault(part, _Node())
    name = part[1:-1].decode()
    if node.named is None:
        node.named, node.name = _Node(), name
    if node.name != name:
        raise ValueError(f"two names for one part of a path: {node.name}, {name}")
    return node.named


def _allowed(node: _Node) -> str:
    heads = ["HEAD"] if any(one.method == "GET" and one.has_head for one in node.questions.values()) else []
    return ", ".join(sorted([*node.questions, *heads]))


def _hides_a_slash(part: bytes) -> bool:
    return b"%2f" in part.lower()
