"""`python -m tests.console.pictures`: a picture of each page of the console, in docs/console/."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from playwright.async_api import Browser, async_playwright

from audit.findings import Promise
from db.audits import begin_audit, keep_audit
from tests.console import audited, history, story, telling
from tests.console.looking import DESKTOP, PHONE, Looking, Scheme
from tests.support.browser import FLAGS, browser
from tests.support.command_line import whopays_of
from tests.support.debian import install
from tests.support.folders import temporary_folder
from tests.support.installations import Installation, create_template, drop_database, installed
from tests.support.servers import servers
from tests.support.serving import serving
from tests.support.tokens import ISSUER, TokenIssuer

FOLDER = Path(__file__).parents[2] / "docs" / "console"
_COLOURS = 255
_HIGHEST = 1240
_FONTS = ("fonts-inter", "fonts-jetbrains-mono")

SHOTS: tuple[tuple[str, str, tuple[int, int], Scheme], ...] = (
    ("start", "", DESKTOP, "light"),
    ("organization", history.HARBOR, DESKTOP, "light"),
    ("project", f"{history.HARBOR}/projects/atlas", DESKTOP, "light"),
    ("project-dark", f"{history.HARBOR}/projects/atlas", DESKTOP, "dark"),
    ("project-phone", f"{history.HARBOR}/projects/atlas", PHONE, "light"),
    ("projects", f"{telling.VAST}/projects", DESKTOP, "dark"),
    ("account", f"{story.ACME}/accounts/overdue", DESKTOP, "light"),
    ("account-phone", f"{story.ACME}/accounts/overdue", PHONE, "dark"),
    ("month", f"{history.HARBOR}/accounts/platform", DESKTOP, "dark"),
    ("command", f"{story.ACME}/commands/refused-1", DESKTOP, "light"),
    ("feed", f"{story.ACME}/feed", DESKTOP, "dark"),
    ("audit", f"{audited.NORTH}/audit", DESKTOP, "light"),
    ("audit-phone", f"{audited.NORTH}/audit?by=olav", PHONE, "dark"),
    ("dead-letters", "_/dead-letters?organization=acme", DESKTOP, "light"),
    ("replays", "_/replays", DESKTOP, "light"),
    ("health", "_/health", DESKTOP, "dark"),
)
"""Each picture: its name, the address of its page, the size of the window, and the colours."""

SIGN_IN: tuple[tuple[str, tuple[int, int], Scheme, Mapping[str, str]], ...] = (
    ("sign-in", DESKTOP, "light", {"WHOPAYS_CONSOLE_ISSUER": ISSUER, "WHOPAYS_CONSOLE_CLIENT_ID": "whopays-console"}),
    ("sign-in-phone", PHONE, "dark", {}),
)
"""Pictures of the page to sign in at: the name, the window, the colours, and what the server is told of a provider."""

PARTS = {"month": "Intervals by month"}
"""Pictures of one part of a page."""


def main(
    folder: Annotated[Path, typer.Option(help="Where to write the pictures.")] = FOLDER,
    only: Annotated[list[str] | None, typer.Option(help="Only pictures with these names.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Take none: say where the console is, until Ctrl-C.")] = False,
) -> None:
    """Start servers, tell the story, and take a picture of each page."""
    missing = install(*_FONTS)
    if missing:
        typer.echo(f"The pictures are set in another font: {missing}", err=True)
    if stay:
        asyncio.run(_stay())
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, taken in asyncio.run(_take(only or [shot[0] for shot in (*SHOTS, *SIGN_IN)])).items():
        file = folder / f"{name}.png"
        with Image.open(io.BytesIO(taken)) as picture:
            shown = picture.crop((0, 0, picture.width, min(picture.height, _HIGHEST)))
            shown.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
        typer.echo(f"{file.name}: {file.stat().st_size // 1024} KiB")


async def _stay() -> None:
    async with _told() as (_, url):
        typer.echo(url)
        await asyncio.Event().wait()


async def _take(names: list[str]) -> dict[str, bytes]:
    taken = {}
    async with _told() as (installation, url), async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=browser(), args=list(FLAGS))
        for name, path, size, scheme in SHOTS:
            if name in names:
                look = Looking(running, url)
                # An organization first, as somebody would who looks around.
                page = await look(path.split("/")[0].replace("_", story.ACME), size=size, scheme=scheme)
                await look.go(page, path)
                part = page.get_by_role("region", name=PARTS.get(name), exact=True)
                taken[name] = await (part.screenshot() if name in PARTS else page.screenshot(full_page=size is DESKTOP))
                await look.end()
        for name, size, scheme, more in SIGN_IN:
            if name in names:
                taken[name] = await _sign_in_page(running, installation, size, scheme, more)
        await running.close()
    return taken


async def _sign_in_page(
    running: Browser, installation: Installation, size: tuple[int, int], scheme: Scheme, more: Mapping[str, str]
) -> bytes:
    with temporary_folder() as folder:
        issuers = json.dumps(TokenIssuer(folder).configured)
        async with serving(installation, WHOPAYS_AUTH="jwt", WHOPAYS_ISSUERS=issuers, **more) as server:
            look = Looking(running, server.url)
            page = await look(size=size, scheme=scheme)
            # Who has signed out is not sent to the provider, which is none.
            await page.evaluate("sessionStorage.setItem('whopays.signed-out', '1')")
            await page.reload()
            await look.settle(page)
            taken = await page.screenshot(full_page=size is DESKTOP)
            await look.end()
    return taken


@asynccontextmanager
async def _told() -> AsyncIterator[tuple[Installation, str]]:
    with temporary_folder() as folder, servers(folder) as addresses:
        template = await create_template(addresses)
        async with installed(addresses, template) as installation, serving(installation) as server:
            await telling.tell(installation)
            await history.make(installation)
            # An audit would name what was written, not told.
            engine = installation.engine
            await keep_audit(engine, await begin_audit(engine), dict.fromkeys(Promise, 0))
            whopays = whopays_of(installation)
            for name, words in (("books-2026", ["--latest"]), ("acme-again", ["--organization", story.ACME])):
                (await whopays("replay", "start", name, *words)).expect(0)
            yield installation, server.url
        await drop_database(addresses, template)


if __name__ == "__main__":
    typer.run(main)
