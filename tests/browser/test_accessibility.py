"""Every page, as each role, in light and dark: the checker of axe-core finds no violation, contrast included."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import MODEL, Stage, all_pages, run_path
from tests.support.browser import Browsers

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="make setup-dev installs it")

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("role", ["viewer", "op"])
def test_no_page_has_a_violation(stage: Stage, browsers: Browsers, role: str, theme: str) -> None:
    page = browsers.page(role, theme, bypass_policy=True)
    found = {path: violations(page, browsers.own(path)) for path in all_pages(stage)}
    assert {path: words for path, words in found.items() if words} == {}
    page.context.close()


def test_dialogs_have_no_violation(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("op", bypass_policy=True)
    page.goto(browsers.own(f"models/{MODEL}"))
    for button in page.locator("button[data-open]").all():
        button.click()
        assert checked(page) == []
        page.locator("dialog[open]").get_by_role("button", name="Close").click()
    page.context.close()


def violations(page: Any, address: str) -> list[str]:
    page.goto(address)
    return checked(page)


def checked(page: Any) -> list[str]:
    results = axe.Axe().run(page).response
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in results["violations"]]


def test_a_gallery_is_one_stop_a_picture_and_its_name_is_the_path(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer")
    page.goto(browsers.own(f"{run_path(stage)}?q=walk-0003"))
    (link,) = page.locator(".tiles a").all()
    assert page.get_by_role("link", name="coast/walk-0003.jpg", exact=True).count() == 1
    assert [image.get_attribute("alt") for image in link.locator("img").all()] == ["", ""]
    page.context.close()


def test_nothing_moves_for_those_who_ask_for_less_motion(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer")
    page.emulate_media(reduced_motion="reduce")
    page.goto(browsers.own("models"))
    moving = "[...document.querySelectorAll('*')].filter(e => getComputedStyle(e).animationName !== 'none').length"
    assert page.evaluate(moving) == 0
    page.context.close()


def test_states_keep_an_edge_in_forced_colours(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer")
    page.emulate_media(forced_colors="active")
    page.goto(browsers.own(f"models/{MODEL}"))
    edges = "[...document.querySelectorAll('.pill')].map(e => getComputedStyle(e).borderTopStyle)"
    assert set(page.evaluate(edges)) == {"solid"}
    page.context.close()
