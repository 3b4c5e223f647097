"""A real browser for tests of pages: headless Chromium, watched for errors and for requests that leave the machine.

Tests take two fixtures (both come with tests/conftest.py): `chromium`, the running browser, and `open_page`, which
opens an address in a window of its own and returns a `Watched` page:

    def test_it(open_page):
        seen = open_page(url, colour="dark", width=360)
        seen.page.get_by_role("button", name="All").click()
        seen.assert_clean()
        assert not findings(seen.page)

Where no Chromium is installed such tests are skipped, with how to get it. The browser lives as long as a test module:
Playwright's synchronous interface keeps an event loop running, and code under test may want one of its own.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

#: Nothing that Chromium does on its own may reach the network; names other than this machine's do not resolve.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--font-render-hinting=none",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost")
#: Requests to these stay on the machine.
LOCAL_SCHEMES, LOCAL_HOSTS = ("file", "data", "blob", "about"), ("127.0.0.1", "localhost", "::1")
#: Milliseconds that a page may take for anything that is waited for: a busy machine draws a long page in a minute.
PATIENCE = 180_000
#: What axe calls findings that keep people out.
GRAVE = ("serious", "critical")


def chromium_path() -> str | None:
    """Where Chromium is: $CHROMIUM, or a usual name on the path; None where it is not."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if Path(named).is_file() else None
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


@dataclass(kw_only=True)
class Watched:
    """An open page and what happened on it.

    Attributes:
        page: Playwright's page.
        context: its window, with storage and settings of its own.
        errors: console errors and uncaught exceptions, in order.
        requests: addresses that the browser's network log names, the page's own first.
    """

    page: Any
    context: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def outside(self) -> list[str]:
        """Requests that leave the machine."""
        parts = [(url, urlsplit(url)) for url in self.requests]
        return [url for url, at in parts if at.scheme not in LOCAL_SCHEMES and at.hostname not in LOCAL_HOSTS]

    def assert_clean(self) -> None:
        """No console error, no uncaught exception, no request that leaves the machine."""
        assert self.errors == []
        assert self.outside == []


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running Chromium (Playwright's Browser)."""
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need vidscale[test]")
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium found: install Debian's package chromium, or name one by CHROMIUM=/path")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium) -> Iterator[Callable[..., Watched]]:
    """Opens addresses, each in a window of its own that is closed after the test.

    Arguments of the returned function: `url` (None for an empty page); `colour` "light" or "dark"; `width` and
    `height` of the window in pixels; `motion` "reduce" or "no-preference"; further ones go to Playwright's
    `Browser.new_context`.
    """
    opened = []

    def open_(url: str | None = None, *, colour: str = "light", width: int = 1280, height: int = 900,
              motion: str = "no-preference", **more: Any) -> Watched:
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=colour,
                                       reduced_motion=motion, **more)
        opened.append(context)
        context.set_default_timeout(PATIENCE)
        seen = Watched(page=context.new_page(), context=context)
        _watch(seen)
        if url is not None:
            seen.page.goto(url, wait_until="load")
        return seen

    yield open_
    for context in opened:
        context.close()


def _watch(seen: Watched) -> None:
    """Collect errors, and requests from the browser's own network log, which page scripts cannot avoid."""
    seen.page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
    seen.page.on("pageerror", lambda problem: seen.errors.append(str(problem)))
    log = seen.context.new_cdp_session(seen.page)
    log.on("Network.requestWillBeSent", lambda event: seen.requests.append(event["request"]["url"]))
    log.on("Network.webSocketCreated", lambda event: seen.requests.append(event["url"]))
    log.send("Network.enable")


def findings(page: Any, *, grave: bool = True, leave_out: str | None = None) -> list[str]:
    """What axe-core finds on a page, one line each: its rule, how bad, where; the serious and critical ones only.

    `leave_out` is a selector of what is not looked into, such as the inside of plots, whose thousands of shapes are
    one image with a name to assistive technology.

    The rules run in the page as the debugger evaluates them, which no content security policy forbids.
    """
    source = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    page.evaluate(f"() => {{ {source}\n }}")
    where = {"exclude": [[leave_out]]} if leave_out else {"include": [["html"]]}
    found = page.evaluate("(where) => axe.run(where, {resultTypes: ['violations']})", where)["violations"]
    return [f"{each['id']} ({each['impact']}): {each['help']}: "
            + "; ".join(f"{node['target']} {node['failureSummary']}" for node in each["nodes"][:3])
            for each in found if not grave or each["impact"] in GRAVE]
