"""`make mutants` changes what can be wrong, leaves alone what cannot, and knows which tests to run."""

from pathlib import Path
from textwrap import dedent

import pytest

from tests.mutants.__main__ import survivors_of
from tests.mutants.changing import changes_of
from tests.mutants.choosing import STAGES, stages_for
from tests.mutants.results import keep, taken_over
from tests.mutants.running import Outcome
from tests.support.packages import PACKAGES, ROOT


def _changed(folder: Path, source: str) -> list[str]:
    path = folder / "module.py"
    path.write_text(dedent(source), encoding="utf-8")
    content = path.read_bytes()
    return [change.shown(content)[1] for change in changes_of(folder, Path("module.py"))]


@pytest.mark.parametrize(
    ("line", "changed"),
    (
        ("a = b < c", ["a = b <= c"]),
        ("a = b is not c", ["a = b is c"]),
        ("a = b and c", ["a = b or c"]),
        ("a = not b", ["a = b"]),
        ("a = True", ["a = False"]),
        ("a = 7", ["a = 8"]),
        ("a = 'é' + b", ["a = 'é' - b"]),
        ("_PAGE, a = 1, b", ["_PAGE, a = 2, b"]),
        ("_PAGE = f(1)", ["_PAGE = f(2)"]),
        ("a.b, a.c = 1, 2", ["a.b, a.c = 2, 2", "a.b, a.c = 1, 3"]),
        ("f(a)", ["pass"]),
        ("raise a", ["pass"]),
        ("a = [b for b in c if d]", ["a = [b for b in c if True]"]),
        ("a = 'SELECT b FROM c WHERE d <= :e'", ["a = 'SELECT b FROM c WHERE d < :e'"]),
        ("a = max(b)", ["a = min(b)"]),
        ("raise NotImplementedError", []),
        ("def f(): return False", ["def f(): return True"]),
        ("def f(): return 0", ["def f(): return None", "def f(): return 1"]),
        (
            "def f(a, b=1, *, c=True, d=2): ...",
            [
                "def f(a, b=2, *, c=True, d=2): ...",
                "def f(a, b=1, *, c=False, d=2): ...",
                "def f(a, b=1, *, c=True, d=3): ...",
            ],
        ),
        ("def f(a, b_seconds=1, byte_limit=7, *, c_seconds=2): ...", []),
        ("a = zip(b, c, strict=False)", ["a = zip(b, c, strict=True)"]),
        ("a = b(strict=c < d)", ["a = b(strict=c <= d)"]),
        ("a = b(pool_size=1)", []),
        ("a = b(pool_size=c + 1)", ["a = b(pool_size=c - 1)", "a = b(pool_size=c + 2)"]),
        ("a = b.time(c) < d", ["a = b.time(c) <= d"]),
    ),
)
def test_each_kind_of_change(tmp_path: Path, line: str, changed: list[str]) -> None:
    assert _changed(tmp_path, line) == changed


def test_guards_and_answers(tmp_path: Path) -> None:
    source = """\
    def f(a: int = 1) -> int | None:
        if a:
            return a
    """
    assert _changed(tmp_path, source) == ["def f(a: int = 2) -> int | None:", "if False:", "return None"]


def test_what_is_left_alone(tmp_path: Path) -> None:
    source = '''\
    """If 1 < 2."""
    from a import b
    WAIT_SECONDS = 30
    _PAGE = 5_000
    _PAGE_EVENTS, _PAGE_BYTES = 500, 512 * 1024
    logger = b.get(1)
    c: dict[1, True]
    async def f(d: int | str) -> int | str:
        """Or 3."""
        logger.info("e", number=1)
        time.sleep(3)
        await asyncio.sleep(4)
    i = zip(j, k, strict=True)
    l = time.monotonic() < m
    @g(1)
    class H: ...
    '''
    assert _changed(tmp_path, source) == []


def test_survivors_are_found_again_where_they_are_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("# A new line.\nb = c < d\nb = c > d\n", encoding="utf-8")
    output = dedent("""\
       1/3 noticed   a.py:2: b = c > d  ->  b = c >= d
       2/3 SURVIVED  a.py:1: b = c < d  ->  b = c <= d
       3/3 SURVIVED  a.py:3: b = c == d  ->  b = c != d
    """)
    [change] = survivors_of(tmp_path, output)
    assert (change.line, change.text) == (2, "<=")
    assert capsys.readouterr().out == "no longer in the code: a.py: b = c == d  ->  b = c != d\n"


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("b = c < d\nb = c > d\n", encoding="utf-8")
    chosen, results = changes_of(tmp_path, Path("a.py")), tmp_path / "results"
    assert taken_over(results, chosen) == ([], chosen)
    outcome = Outcome(chosen[1], "b = c > d", "b = c >= d", noticed_by="tests/unit")
    keep(results, outcome)
    assert taken_over(results, chosen) == ([outcome], [chosen[0]])


def test_every_file_has_its_tests() -> None:
    listed = {*STAGES, *(path for stages in STAGES.values() for stage in stages for path in stage)}
    assert [path for path in listed if not (ROOT / path).exists()] == []
    assert "tests/unit/domain/test_book.py" in stages_for(ROOT, Path("domain/book.py"))[0]
    files = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert all(stages_for(ROOT, path) for path in files)


_OF_NO_PART = {
    "tests/services/benchmarks": "of the programs in benchmarks/",
    "tests/services/examples": "of the programs in examples/",
    "tests/services/other_languages": "of programs in other languages",
    "tests/services/proxies": "of what tests use to break the network",
}


def test_every_folder_of_tests_is_run_on_changes_of_some_part() -> None:
    chosen = {path for stages in STAGES.values() for stage in stages for path in stage}
    folders = {ROOT / "tests/security", ROOT / "tests/console", *(ROOT / "tests/services").glob("*/")}
    names = {str(one.relative_to(ROOT)) for one in folders if any(one.glob("test_*.py"))}
    missed = {one for one in names if not any(path.startswith(one) for path in chosen)}
    assert missed == _OF_NO_PART.keys(), "tests/mutants/choosing.py names no part of the product for these"
