"""The checks of `whopays status --at`: the probes of processes."""

import json
from contextlib import closing
from http.client import HTTPConnection, HTTPException

from cli.operating.standing import Section, Standing, Verdict

_TIMEOUT_SECONDS = 5.0


def of_process(address: str) -> Standing:
    """Return the check of the process at `HOST:PORT`, the address of its metrics or of `whopays serve`."""
    host, _, port = address.rpartition(":")
    troubles: list[str] = []
    for path in ("/livez", "/readyz"):
        try:
            troubles += _troubles(host.strip("[]"), int(port), path)
        except (OSError, HTTPException, ValueError) as error:
            words = f"No probes answer there: {error}."
            return Standing(
                Verdict.TROUBLE, address, words, "Check that it runs, and that the address is right.", Section.PROBES
            )
    if not troubles:
        return Standing(Verdict.WELL, address, "It is alive and ready.", "", Section.PROBES)
    hangs = any(one.endswith(" hangs") for one in troubles)
    to_do = "Start a new process." if hangs else "Look at its log if this lasts."
    return Standing(Verdict.TROUBLE, address, f"{'; '.join(dict.fromkeys(troubles))}.", to_do, Section.PROBES)


def _troubles(host: str, port: int, path: str) -> list[str]:
    """Return the problems that a probe reports; for `whopays serve`, the reason for its refusal."""
    with closing(HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        if response.status == 200:
            return []
        if response.status != 503:
            raise HTTPException(f"{path} is answered with {response.status}")
        document = json.loads(body)
        return list(document.get("troubles") or [document.get("detail") or "it is not ready"])
