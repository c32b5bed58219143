"""A model tried in a browser: a slider that is moved, a file of one's own, and the same without a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import MODEL as WITHOUT_PARAMETERS
from tests.browser.conftest import Stage, in_frame
from tests.support.browser import Browsers
from tests.support.scenes import png, scene
from tests.support.shifter import MODEL, serve_shifter, shifter_spec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PATH = f"models/{MODEL}/try"


@pytest.fixture(scope="module")
def own_picture(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of the user, while a model with parameters is served."""
    root = tmp_path_factory.mktemp("try")
    path = root / "harbour.png"
    path.write_bytes(png(scene(77, width=240, height=180)))
    with serve_shifter(root / "models" / MODEL) as server:
        stage.airflow.add_spec(shifter_spec(server, root / "pictures", root / "results"))
        yield path


def test_a_value_that_is_moved_shows_at_once_what_it_does(stage: Stage, browsers: Browsers, own_picture: Path) -> None:
    page = browsers.page("user")
    page.goto(browsers.framed(f"models/{MODEL}"))
    frame = in_frame(page)
    frame.get_by_role("link", name="Try", exact=True).click()
    frame.locator("input[type=file]").set_input_files(own_picture)
    frame.get_by_label("by").select_option(label="little (3)")
    frame.get_by_role("button", name="Try version 1").click()
    frame.get_by_text("by little (3), strength 1").wait_for()
    frame.get_by_role("slider", name="strength").fill("0.5")
    frame.get_by_text("by little (3), strength 0.5").wait_for()

    assert frame.locator("#try-result .compare.slider").count() == 1
    loaded = "image => image.decode().then(() => image.naturalWidth)"
    assert frame.locator("#try-result img.after").evaluate(loaded) == 240
    browsers.keep(page, "try")
    page.context.close()


def test_a_form_without_a_script_leads_to_the_result(stage: Stage, browsers: Browsers, own_picture: Path) -> None:
    page = browsers.page("user", scripts=False)
    page.goto(browsers.own(PATH))
    page.locator("input[type=file]").set_input_files(own_picture)
    page.get_by_role("button", name="Try version 1").click()

    page.wait_for_url("**/try?result=*")
    assert page.get_by_text("by 10, strength 1").count() == 1
    assert page.get_by_role("radio", name="harbour.png").is_checked()
    page.context.close()


def test_a_model_without_parameters_is_tried_on_a_picture_of_its_newest_run(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("user")
    page.goto(browsers.own(f"models/{WITHOUT_PARAMETERS}/try"))
    page.get_by_role("radio").nth(2).check()
    page.get_by_role("button", name=re.compile(r"Try version \d")).click()  # other tests release and roll back
    page.get_by_role("slider", name="before").wait_for()
    assert page.locator("fieldset", has_text="Parameters").count() == 0
    page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_has_no_violation(stage: Stage, browsers: Browsers, own_picture: Path, theme: str) -> None:
    pytest.importorskip("axe_playwright_python.sync_playwright", reason="make setup-dev installs it")
    from tests.browser.test_accessibility import checked

    page = browsers.page("user", theme, bypass_policy=True)
    page.goto(browsers.own(PATH))
    assert checked(page) == []
    page.locator("input[type=file]").set_input_files(own_picture)
    page.get_by_role("button", name="Try version 1").click()
    page.get_by_text("by 10, strength 1").wait_for()
    assert checked(page) == []
    browsers.keep(page, f"try-{theme}")
    page.context.close()


def test_the_page_fits_a_phone(stage: Stage, browsers: Browsers, own_picture: Path) -> None:
    page = browsers.page("user", width=360, height=740)
    page.goto(browsers.own(f"models/{WITHOUT_PARAMETERS}/try"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    browsers.keep(page, "try-phone")
    page.context.close()
