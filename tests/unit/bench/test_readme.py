from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.charts import BAR_WIDTH, KEPT, SHORT, Panel, bar_length, draw_chart, notes_of, panels_of
from bench.pages import PAGES, rewrite, split
from bench.performance import Figure
from bench.promises import read_promise
from bench.readme import headline
from bench.results import PUBLISHED, Row
from bench.runner import benches


def row(what: str, ratio: float, promise: str = "") -> Row:
    return Row(what, 10 * ratio, "images/s", "the peer", 10.0, ratio, promise)


README = PUBLISHED.parent / "README.md"
TABLE_HEAD = "| bench | what it measures | against what |"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: "-".join(page.parts[-2:]))
def test_a_page_shows_what_is_published(page: Path) -> None:
    assert split(page.read_text())[1] == PAGES[page](PUBLISHED)


def test_a_figure_without_its_row_is_not_reported() -> None:
    figure = Figure("fast", "server_peers", "ours", "images/s")
    with pytest.raises(LookupError, match="0 rows"):
        figure.find([row("theirs", 1.0)])


def test_every_published_promise_can_be_judged() -> None:
    for path in PUBLISHED.glob("*.json"):
        for one in json.loads(path.read_text())["rows"]:
            read_promise(Row(**one))


def test_every_bench_is_in_the_table() -> None:
    [table] = [part for part in README.read_text().split("\n\n") if part.startswith(TABLE_HEAD)]
    assert sorted(line.split("`")[1] for line in table.splitlines()[2:]) == benches()


@pytest.mark.parametrize(("ratio", "outcome"), [(0.97, "met"), (0.96, "**short**")])
def test_a_figure_on_the_wrong_side_of_its_promise_is_said_to_be_short(
    ratio: float, outcome: str, tmp_path: Path
) -> None:
    rows = {"rows": [row("ours", ratio, ">= 0.97").__dict__]}
    (tmp_path / "made.json").write_text(json.dumps(rows))
    page = tmp_path / "README.md"
    page.write_text("# Up\n\n" + "\n\n".join(README.read_text().split("\n\n")[1:]))

    rewrite(page, headline, tmp_path)

    assert f"| {ratio} | >= 0.97 | {outcome} |" in page.read_text()
    assert page.read_text().startswith("# Up\n\n")


def test_bars_are_as_long_as_their_ratios_and_orange_where_they_are_short() -> None:
    rows = [row("twice", 2.0), row("ours", 0.5, ">= 1"), row("same", 1.0)]
    [panel] = panels_of(rows)
    chart = draw_chart("made up", rows)

    assert [bar_length(one.ratio or 0.0, panel) for one in rows] == [BAR_WIDTH, BAR_WIDTH // 4, BAR_WIDTH // 2]
    orange = [chart.getpixel((x, y)) for y in range(chart.height) for x in range(chart.width)].count(SHORT)
    assert orange >= BAR_WIDTH // 4 * 20  # a bar 24 high, and a few pixels of text


def test_a_promise_for_the_value_is_reported_next_to_the_value_and_judges_no_bar() -> None:
    memory = Row("memory", 1.4, "GB", "the peer", 0.7, 2.07, "below 1.6 GB")
    chart = draw_chart("made up", [memory, row("twice", 2.0), row("same", 1.0)])

    assert [text for text, _ in notes_of(memory)] == ["2.07", "(1.4 GB) below 1.6 GB: met"]
    green = [chart.getpixel((x, y)) for y in range(chart.height) for x in range(chart.width)].count(KEPT)
    assert green < BAR_WIDTH // 2 * 20  # text, and no bar


def test_ratios_to_different_things_do_not_share_a_scale() -> None:
    rows = [row("a", 2.0), Row("b", 1.0, "s", "other", 1.0, 1.0)]

    assert panels_of(rows) == [Panel("the peer", "images/s", (rows[0],)), Panel("other", "s", (rows[1],))]
