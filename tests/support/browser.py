"""Debian's Chromium by Playwright, logged in to a live Airflow as one of its users."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.airflow import LiveAirflow

CHROMIUM = "/usr/bin/chromium"
#: What Airflow's own pages say; ours say nothing.
_NOT_OURS = re.compile(r"allow-same-origin for its sandbox|/ui/|/api/v2/|React|favicon")
#: A file that is not a picture, for which the page says "no preview"; an address that is opened for its error page; and
#: a run whose pictures were deleted.
_EXPECTED = re.compile(r"status of 415 |/tendies/nowhere|/tendies/runs/days/")

_COUNT = "addEventListener('pointerdown', event => { if (event.isTrusted) countClick(); }, true)"


@dataclass
class Clicks:
    """A page that counts the clicks of a mouse, in its frames too."""

    page: Any
    number: int = 0

    def __post_init__(self) -> None:
        self.page.expose_function("countClick", self._count)
        self.page.add_init_script(_COUNT)

    def _count(self) -> None:
        self.number += 1


class Browsers:
    """``page("viewer", "dark")`` is a page of a fresh browser context that is logged in."""

    def __init__(self, airflow: LiveAirflow, screenshots: Path | None) -> None:
        from playwright.sync_api import sync_playwright

        self.airflow = airflow
        self.screenshots = screenshots
        self.complaints: list[str] = []  #: errors on the console and of scripts
        self.hosts: set[str] = set()  #: that any page asked anything of
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

    def page(
        self,
        role: str,
        theme: Any = "light",
        *,
        width: int = 1280,
        height: int = 860,
        scripts: bool = True,
        bypass_policy: bool = False,
    ) -> Any:
        """
        Return an empty page. Its navigation times out after 45 s.

        :param bypass_policy: lets a checker's own script into pages whose policy allows none but theirs.
        """
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            java_script_enabled=scripts,
            bypass_csp=bypass_policy,
        )
        if role != "anonymous":
            context.add_cookies([{"name": "_token", "value": self.airflow.token(role), "url": self.airflow.url}])
        context.set_default_timeout(45_000)
        page = context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        return page

    def own(self, path: str) -> str:
        """The address of one of our pages by itself."""
        return f"{self.airflow.url}/tendies/{path}"

    def framed(self, path: str) -> str:
        """The address of one of our pages inside Airflow."""
        return f"{self.airflow.url}/plugin/tendies/tendies/{path}"

    def check_quiet(self) -> None:
        """What was asked of whom, and said, by all pages until now."""
        assert self.hosts - {""} <= {urlsplit(self.airflow.url).netloc}
        assert self.complaints == [], self.complaints

    def keep(self, page: Any, name: str) -> None:
        """A screenshot, where someone wants to look at them."""
        if self.screenshots is not None:
            self.screenshots.mkdir(parents=True, exist_ok=True)
            page.wait_for_timeout(600)
            page.screenshot(path=self.screenshots / f"{name}.png")

    def _hear(self, message: Any) -> None:
        said = message.text + str(message.location)
        if message.type == "error" and not (_NOT_OURS.search(said) or _EXPECTED.search(said)):
            self.complaints.append(f"{message.text} at {message.location}")

    def __enter__(self) -> Browsers:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()
