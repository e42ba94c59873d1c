"""Mutants of the archive: what leaves the log must be whole elsewhere, and whoever reads must notice where it is."""

from tests.faults.mutating import Mutant, Patch

_WRITING = "db.archive.writing"
_NOT_READ_BACK = Patch(
    _WRITING,
    "    for part in parts:\n        async with aclosing(_read_back",
    "    for part in ():\n        async with aclosing(_read_back",
)
_ROWS_ARE_OUT = "    yield noted\n"

OF_ARCHIVING: dict[str, Mutant] = {
    "rows taken out before their file is whole": Mutant(
        "A file gets its name only once the rows have left the log.",
        "archiving killed once rows are out",
        "is missing in the archive",
        (
            _NOT_READ_BACK,
            Patch(_WRITING, "    file.finish()\n", "    globals().setdefault('late', []).append(file)\n"),
            Patch(_WRITING, "            await asyncio.to_thread(file.abandon)\n", "            pass\n"),
            Patch(
                _WRITING, _ROWS_ARE_OUT, "    for file in globals()['late']:\n        file.finish()\n" + _ROWS_ARE_OUT
            ),
        ),
    ),
    "rows taken out before their manifest is written": Mutant(
        "The manifest is written once the rows have left the log.",
        "archiving killed once rows are out",
        "manifest-",
        (
            Patch(
                _WRITING,
                "    await asyncio.to_thread(store.write, name, manifest)\n"
                "    if await asyncio.to_thread(store.read, name) != manifest:\n",
                "    if not manifest:\n",
            ),
            Patch(_WRITING, _ROWS_ARE_OUT, "    store.write(name, manifest)\n" + _ROWS_ARE_OUT),
        ),
    ),
    "archived without a look at what was written": Mutant(
        "A file is not read back before the rows leave the log.",
        "a file altered before rows are out",
        "is cut or altered",
        (_NOT_READ_BACK,),
    ),
    "digests of the archive not compared": Mutant(
        "What is read from a file is not compared with its digest.",
        "a forged event in the archive",
        "a forged event was replayed",
        (
            Patch(
                "db.archive.checking",
                "    if hashlib.sha256(said).hexdigest() != block.sha256:\n",
                "    if not said:\n",
            ),
        ),
    ),
    "rows sought only where they were": Mutant(
        "Whoever finds no rows in the table does not ask whether they went to the archive meanwhile.",
        "archived while it is replayed",
        "events, not the",
        (
            Patch(
                "db.archive.reading",
                "        return bool(parts) and parts[-1].last_position > max(known, position)\n",
                "        return False\n",
            ),
        ),
    ),
}
