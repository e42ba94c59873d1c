"""Pages of other origins ask where they are let in, and nowhere else."""

from embedded import Addresses
from tests.services.http.rights import problem_of
from tests.services.http.served import Served, served

_PORTAL = "https://portal.example"
_PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}


async def test_pages_of_origins_that_are_let_in(services: Addresses, template: str, shared: Served) -> None:
    async with served(services, template, serve_cors_origins=frozenset({_PORTAL})) as made:
        for server, origin, is_let_in in (
            (made, _PORTAL, True), (made, "https://elsewhere.example", False), (shared, _PORTAL, False)
        ):  # fmt: skip
            told = await server.client.get("/v1/organizations/acme", headers={"origin": origin})
            assert told.headers.get("access-control-allow-origin") == (origin if is_let_in else None)
            before = await server.client.options("/v1/payers/lookup", headers={"origin": origin, **_PREFLIGHT})
            assert (before.status_code == 200) is is_let_in
            if not is_let_in:
                assert problem_of(before, 405) == "MethodNotAllowed"
                assert before.headers["allow"] == "POST"


async def test_what_pages_may_not_ask_with(services: Addresses, template: str) -> None:
    async with served(services, template, serve_cors_origins=frozenset({_PORTAL})) as made:
        for more, path, status in (
            ({"access-control-request-method": "PUT"}, "/v1/payers/lookup", 405),
            ({"access-control-request-headers": "x-colour"}, "/v1/payers/lookup", 405),
            ({"access-control-request-method": "PUT"}, "/v1/nothing", 404),
        ):
            told = await made.client.options(path, headers={"origin": _PORTAL, **_PREFLIGHT, **more})
            assert problem_of(told, status) == ("NotFound" if status == 404 else "MethodNotAllowed")
