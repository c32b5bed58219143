"""A real fan-out in a browser: the matrix, and two of its cells under a slider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tendies_ops.inference import BatchOptions, run_batch
from tendies_ops.inference.several_runs.fan_out import read_combinations, run_fan_out
from tests.browser.conftest import Stage
from tests.support.browser import Browsers
from tests.support.scenes import png, scene
from tests.support.shifter import serve_shifter, shifter_spec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MODEL = "fanned"
PATH = f"models/{MODEL}/fan-out"


@pytest.fixture(scope="module", autouse=True)
def _fan_out(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("fan-out")
    pictures, results = root / "pictures", root / "results"
    pictures.mkdir()
    for number in range(3):
        (pictures / f"walk-{number}.png").write_bytes(png(scene(number, width=160, height=120)))
    with serve_shifter(root / "models" / MODEL, model_name=MODEL) as server:
        options = BatchOptions(
            input=str(pictures),
            output=str(results),
            model_name=MODEL,
            servers=(server.url,),
            model_base_path=str(server.base),
        )
        run_fan_out(options, read_combinations(["by=3,40,90"]), run_batch)
        stage.airflow.add_spec(shifter_spec(server, pictures, results))
        yield


def test_two_styles_of_a_picture_are_compared_with_a_slider(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer", width=1440)
    page.goto(browsers.own(f"models/{MODEL}"))
    page.get_by_role("link", name="Styles", exact=True).click()
    page.get_by_role("heading", name="3 pictures in 3 styles").wait_for()
    for image in page.locator(".matrix img").all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 160
    browsers.keep(page, "matrix")
    page.get_by_role("checkbox", name="walk-1.png, by 40").check()
    page.get_by_role("checkbox", name="walk-1.png, by 90").check()
    page.get_by_role("button", name="Compare two with a slider").click()

    page.get_by_role("slider", name="Share of by 40").fill("20")
    assert page.locator(".compare.slider").count() == 1
    browsers.keep(page, "matrix-compared")
    page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_matrix_has_no_violation(stage: Stage, browsers: Browsers, theme: str) -> None:
    pytest.importorskip("axe_playwright_python.sync_playwright", reason="make setup-dev installs it")
    from tests.browser.test_accessibility import checked

    page = browsers.page("viewer", theme, bypass_policy=True)
    page.goto(browsers.own(PATH))
    assert checked(page) == []
    page.get_by_role("checkbox").nth(0).check()
    page.get_by_role("checkbox").nth(1).check()
    page.get_by_role("button", name="Compare two with a slider").click()
    page.get_by_role("slider").wait_for()
    assert checked(page) == []
    page.context.close()


def test_the_matrix_scrolls_in_its_own_box_on_a_phone(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer", width=360, height=740)
    page.goto(browsers.own(PATH))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    browsers.keep(page, "matrix-phone")
    page.context.close()


def test_the_run_of_a_style_says_its_parameters(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer")
    page.goto(browsers.own(f"runs?model={MODEL}"))
    page.get_by_role("link", name="By 40").or_(page.get_by_role("link", name="by 40")).first.click()
    page.get_by_text("Parameters:").wait_for()
    assert page.get_by_text("by 40, strength 1").count() == 1
    page.context.close()
