"""Transfers of the largest permitted number of projects: at one instant, all or none."""

import resource
import time

from tests.services.timers.keeping import Keeper
from tests.support.saying import bind, transfer

MOST = 10_000


async def test_ten_thousand_at_one_instant_and_not_one_more(keeper: Keeper) -> None:
    names = [f"p{number:05}" for number in range(MOST + 1)]
    await keeper.establish(["a", "b", "c"], names, payer="a")
    await keeper.hear(bind(names[0], "c", "later", effectiveAt="2999-01-01T00:00:00Z"))
    await keeper.hear(transfer("a", "b", "all"), transfer("a", "b", "listed", projects=names))
    memory, began = _peak_mebibytes(), time.monotonic()
    await keeper.hear(transfer("a", "b", "most", projects=names[:MOST]))
    took, more = time.monotonic() - began, _peak_mebibytes() - memory
    print(f"a transfer of {MOST} projects took {took:.2f} s and {more:.0f} MiB more than preparing it")
    await keeper.hear(transfer("b", "c", "back"))
    await keeper.hear(transfer("a", "b", "gone", projects=names[:2]))
    log = await keeper.log()
    results = {event["data"]["commandId"]: event["data"] for event in log if "commandId" in event["data"]}
    reasons = {name: [one["reason"] for one in results[name]["violations"]] for name in ("all", "listed", "gone")}
    assert reasons["all"] == ["TooManyProjects"]
    assert reasons["listed"] == ["TooManyProjects"]
    assert reasons["gone"] == ["PreconditionFailed"]
    assert results["later"]["violations"][0]["reason"] == "Superseded"
    for name in ("most", "back"):
        assert (results[name]["outcome"], results[name]["projectCount"], results[name]["eventCount"]) == (
            "Applied", MOST, MOST
        )  # fmt: skip
        moved = [event for event in log if event.get("causationid") == name and "change" in event["data"]]
        assert sorted(event["data"]["project"] for event in moved) == names[:MOST]
        assert len({event["time"] for event in moved}) == 1
    counts = await keeper.all(
        "SELECT account || count(*) FROM projects WHERE account IS NOT NULL GROUP BY account ORDER BY 1"
    )
    assert counts == ["a1", f"c{MOST}"]


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
