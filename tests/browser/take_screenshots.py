"""``make screenshots``: every page at three widths, light and dark, for people to look at."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import Stage, all_pages
from tests.support.browser import Browsers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_pictures_of_every_page(stage: Stage, browsers: Browsers, width: int, theme: str) -> None:
    page = browsers.page("op", theme, width=width, height=900)
    for path in all_pages(stage):
        page.goto(browsers.framed(path))
        page.frame_locator("iframe").locator("main").wait_for()
        name = re.sub(r"[^a-z0-9]+", "-", re.sub(r"runs/.+[.]infer[.][0-9]+", "run", path).lower()).strip("-")
        browsers.keep(page, f"{name}-{theme}-{width}")
    page.goto(f"{stage.airflow.url}/dags")
    browsers.keep(page, f"airflow-dags-{theme}-{width}")
    page.context.close()
