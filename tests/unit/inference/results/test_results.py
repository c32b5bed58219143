"""Models that answer more than one picture: boxes, scores, numbers, several pictures; found out by itself."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import UsageError
from tendies_ops.inference.requests import pacer as pacing
from tendies_ops.inference.results import Answers
from tendies_ops.inference.results.provenance import read_provenance
from tendies_ops.inference.results.table import join_tables, write_parquet, write_table
from tendies_ops.inference.several_runs.sharded_run import finish_shards, plan_shards
from tendies_ops.inference.storage.local import LocalOutput
from tendies_ops.inference.upkeep.replay_picture import replay
from tests.support.batch_bench import Bench
from tests.support.sample_pictures import decoded, encoded, inverted, noise, png

Make = Callable[..., Bench]
DETECTOR = {"detection_boxes": [-1, -1, 4], "detection_scores": [-1, -1], "detection_classes": [-1, -1]}
DETECTOR |= {"num_detections": [-1]}
CLASSIFIER = {"scores": [-1, -1], "classes": [-1, -1]}


def red_square(data: bytes) -> dict[str, Any]:
    """A detector: finds the one thing that is red, and says so twice, the second time without much confidence."""
    pixels = np.asarray(decoded(data).convert("RGB")).astype(int)
    rows, columns = np.where(pixels[..., 0] - pixels[..., 1] > 100)
    height, width = pixels.shape[:2]
    if len(rows) == 0:
        nothing = {"detection_boxes": [[0.0] * 4], "detection_scores": [0.0], "detection_classes": [1.0]}
        return {**nothing, "num_detections": 1.0}
    box = [rows.min() / height, columns.min() / width, (rows.max() + 1) / height, (columns.max() + 1) / width]
    return {
        "detection_boxes": [list(map(float, box)), [0, 0, 1, 1], [0, 0, 0, 0]],
        "detection_scores": [0.9, 0.2, 0.0],
        "detection_classes": [2.0, 1.0, 1.0],
        "num_detections": 3.0,
    }


def with_square(size: tuple[int, int], box: tuple[int, int, int, int]) -> bytes:
    image = Image.new("RGB", size, (90, 90, 90))
    image.paste((255, 0, 0), box)
    return encoded(image)


def brightness(data: bytes) -> dict[str, Any]:
    value = round(float(np.asarray(decoded(data).convert("L")).mean()) / 255, 3)
    ranked = sorted([("bright", value), ("dark", 1 - value)], key=lambda pair: -pair[1])
    return {"classes": [name for name, _ in ranked], "scores": [score for _, score in ranked]}


def table_of(report: Any) -> list[dict[str, str]]:
    with Path(report.paths["scores"]).open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def detector(make_bench: Make) -> Bench:
    return make_bench(transform=red_square, outputs=DETECTOR)


@pytest.fixture
def classifier(make_bench: Make) -> Bench:
    bench = make_bench(transform=brightness, outputs=CLASSIFIER)
    for name, value in (("a.png", 255), ("deep/b.png", 0), ("c.png", 51)):
        bench.add(name, encoded(Image.new("L", (8, 8), value)))
    return bench


def test_detections_are_json_and_the_picture_with_boxes_drawn(detector: Bench) -> None:
    detector.add("deep/a.jpg", with_square((200, 100), (20, 30, 60, 70)))
    report = detector.run(provenance=True)
    assert (report.done, report.failed) == (1, 0)
    outputs = detector.outputs()
    assert list(outputs) == ["deep/a.json", "deep/a.png"]
    document = json.loads(outputs["deep/a.json"])
    assert (document["input"], document["height"], document["width"]) == ("deep/a.jpg", 100, 200)
    best, second = document["detections"]
    assert (best["class"], best["label"], best["score"]) == (2, "class 2", 0.9)
    assert best["box_pixels"] == [30, 20, 70, 60]
    assert second["score"] == 0.2
    assert document["tendies"]["model_name"] == "m"
    facts = read_provenance(outputs["deep/a.png"])
    assert facts is not None
    assert facts["input"] == "deep/a.jpg"


def test_only_boxes_above_the_score_are_drawn(detector: Bench) -> None:
    source = with_square((200, 100), (20, 30, 60, 70))
    detector.add("a.png", source)
    detector.run()
    drawn = np.asarray(decoded(detector.outputs()["a.png"]))
    changed = (drawn != np.asarray(decoded(source))).any(axis=-1)
    assert changed[30, 20:60].all()
    assert not changed[75:, :].any()
    detector.run(min_score=0.1)
    drawn = np.asarray(decoded(detector.outputs()["a.png"]))
    assert (drawn != np.asarray(decoded(source))).any(axis=-1)[99, :].all()


@pytest.mark.parametrize("policy", ["fit", "pad", "crop", "tile"])
def test_boxes_lie_where_they_belong_whatever_size_the_model_takes(detector: Bench, policy: str) -> None:
    detector.add("a.png", with_square((300, 200), (130, 80, 170, 120)))
    detector.run(size=(100, 100), size_policy=policy)
    document = json.loads(detector.outputs()["a.json"])
    assert (document["height"], document["width"]) == (200, 300)
    best = [one for one in document["detections"] if one["score"] > 0.5]
    assert len(best) == 1 or policy == "tile"
    box = max(best, key=lambda one: (one["box"][2] - one["box"][0]) * (one["box"][3] - one["box"][1]))["box_pixels"]
    assert np.allclose(box, [80, 130, 120, 170], atol=4)


def test_a_turned_photograph_gets_its_boxes_upright(detector: Bench) -> None:
    upright = Image.new("RGB", (40, 80), (90, 90, 90))
    upright.paste((255, 0, 0), (0, 60, 20, 80))
    exif = Image.Exif()
    exif[0x0112] = 6
    detector.add("a.png", encoded(upright.transpose(Image.Transpose.ROTATE_90), exif=exif))
    detector.run()
    document = json.loads(detector.outputs()["a.json"])
    assert (document["height"], document["width"]) == (80, 40)
    assert document["detections"][0]["box_pixels"] == [60, 0, 80, 20]


def test_a_second_run_predicts_nothing_and_a_missing_json_is_made_again(detector: Bench) -> None:
    detector.add("a.png", with_square((40, 40), (5, 5, 9, 9)))
    detector.run()
    assert detector.run().skipped == 1
    (detector.output / "a.json").unlink()
    assert detector.run().done == 1
    assert (detector.output / "a.json").exists()
    assert detector.newest_records()["a.png"]["further_outputs"] == ["a.json"]


def test_scores_become_one_table_of_all_pictures_done_now_or_before(classifier: Bench) -> None:
    report = classifier.run()
    rows = {row["input"]: row for row in table_of(report)}
    assert set(rows) == {"a.png", "c.png", "deep/b.png"}
    assert rows["a.png"] == {"input": "a.png", "class": "bright", "score": "1.0", "class_2": "dark", "score_2": "0.0"}
    assert rows["c.png"]["class"] == "dark"
    assert json.loads((classifier.output / "deep" / "b.json").read_text())["outputs"]["classes"] == ["dark", "bright"]
    classifier.add("d.png", encoded(Image.new("L", (8, 8), 200)))
    again = classifier.run()
    assert (again.done, again.skipped) == (1, 3)
    assert {row["input"] for row in table_of(again)} == {"a.png", "c.png", "deep/b.png", "d.png"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_name_or_label_that_a_spreadsheet_would_evaluate_has_an_apostrophe_in_the_table(
    make_bench: Make, start: str
) -> None:
    outputs = {"scores": [-1, -1], "classes": [-1, -1], "offset": [-1]}
    bench = make_bench(
        transform=lambda _: {"scores": [0.9], "classes": [f"{start}1+1"], "offset": -2.5}, outputs=outputs
    )
    bench.add(f"{start}HYPERLINK().png", png(1))
    report = bench.run()
    with Path(report.paths["scores"]).open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["input"], row["class"], row["offset"]) == (f"'{start}HYPERLINK().png", f"'{start}1+1", "-2.5")
    assert list(bench.outputs()) == [f"{start}HYPERLINK().json"]


def test_the_table_is_there_as_parquet_too(classifier: Bench) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    report = classifier.run()
    rows = parquet.read_table(report.paths["scores_parquet"]).to_pylist()
    assert [row["input"] for row in rows] == [row["input"] for row in table_of(report)]
    first = next(row for row in rows if row["input"] == "a.png")
    assert first == {"input": "a.png", "class": "bright", "score": 1.0, "class_2": "dark", "score_2": 0.0}
    assert 'href="scores.parquet"' in Path(report.paths["html"]).read_text()


def test_a_column_that_goes_on_with_words_stays_in_the_csv_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    table = tmp_path / "scores.csv"
    table.write_text("input,mood\n" + "a.png,0.5\n" * 200_000 + "b.png,sunny\n")  # pyarrow decides by the first MB
    assert write_parquet(table) is None
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_without_pyarrow_the_table_is_a_csv_file(classifier: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    report = classifier.run()
    assert len(table_of(report)) == 3
    assert "scores_parquet" not in report.paths
    assert not list(Path(report.paths["scores"]).parent.glob("*.parquet"))


def test_scores_are_on_the_contact_sheet_and_the_page_links_the_table(classifier: Bench) -> None:
    report = classifier.run()
    sheet = Image.open(report.paths["contact_sheet"])
    right = sheet.crop((12 + 220 + 6, 12, 12 + 2 * 220 + 6, 12 + 220))  # of the first pair
    assert len(right.getcolors() or []) > 5
    assert 'href="scores.csv"' in Path(report.paths["html"]).read_text()


@pytest.mark.parametrize("place", ["folder", "memory://shard-scores"])
def test_shards_make_one_table(classifier: Bench, place: str) -> None:
    output = str(classifier.output) if place == "folder" else place
    for number in range(9):
        classifier.add(f"more/{number}.png", encoded(Image.new("L", (8, 8), 20 * number)))
    plan = plan_shards(classifier.options(output=output), max_shards=3, pictures_per_shard=4)
    told = {"output": output, "allow_empty": True}
    runs = [classifier.run(**told, shard=(index, plan.shards), run_id=f"s{index}") for index in range(plan.shards)]
    options = classifier.options(output=output, run_id="whole")
    report = finish_shards(options, plan, [one.summary() for one in runs])
    text = fsspec.open(report.paths["scores"], "rt").open().read()
    rows = list(csv.DictReader(text.splitlines()))
    assert (plan.shards, report.done, len(rows)) == (3, 12, 12)
    assert len({row["input"] for row in rows}) == 12


def test_a_failed_picture_has_no_row(classifier: Bench) -> None:
    classifier.add("broken.png", png(1)[:50])
    report = classifier.run()
    assert (report.done, report.failed) == (3, 1)
    assert "broken.png" not in {row["input"] for row in table_of(report)}


def test_numbers_without_names_are_counted(make_bench: Make) -> None:
    bench = make_bench(transform=lambda data: [0.25, 0.75], outputs={"scores": [-1, 2]})
    bench.add("a.png", png(1))
    (row,) = table_of(bench.run())
    assert row == {"input": "a.png", "class": "1", "score": "0.75", "score 0": "0.25", "score 1": "0.75"}


def test_scores_in_several_dimensions_or_without_a_number_do_not_keep_the_report_from_being_written(
    make_bench: Make,
) -> None:
    row = {"boxes_scores": [[0.1, 0.9], [0.2, 0.8]], "mood_scores": [float("nan"), 0.5]}
    bench = make_bench(transform=lambda _: row, outputs={"boxes_scores": [-1, 2, 2], "mood_scores": [-1, 2]})
    bench.add("a.png", png(1))
    report = bench.run()
    assert (report.done, report.ok) == (1, True)
    (found,) = table_of(report)
    assert (found["mood_class"], found["mood_score"], found["mood_score 0"]) == ("1", "0.5", "")
    assert Path(report.paths["contact_sheet"]).exists()


def test_numbers_stay_in_their_columns_where_pictures_have_different_many(make_bench: Make) -> None:
    def two(data: bytes) -> dict[str, Any]:
        return {"angles": [1.5, 2.5] if data == png(1) else [3.5], "zoom": 9.5}

    bench = make_bench(transform=two, outputs={"angles": [-1, -1], "zoom": [-1]})
    for number in (1, 2):
        bench.add(f"{number}.png", png(number))
    first, second = sorted(table_of(bench.run()), key=lambda row: row["input"])
    assert first == {"input": "1.png", "angles_0": "1.5", "angles_1": "2.5", "zoom": "9.5"}
    assert second == {"input": "2.png", "angles_0": "3.5", "angles_1": "", "zoom": "9.5"}


def test_a_picture_whose_numbers_are_gone_keeps_its_row(classifier: Bench) -> None:
    report = classifier.run()
    answers = Answers(tuple(CLASSIFIER))
    results = [("gone.png", "gone.json"), ("a.png", "a.json")]
    path = write_table(results, LocalOutput(classifier.output), answers, classifier.output / "again.csv")
    assert path is not None
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["input"] for row in rows] == ["gone.png", "a.png"]
    assert rows[0]["class"] == ""
    assert report.done == 3


def test_tables_whose_columns_differ_are_joined_by_name(tmp_path: Path) -> None:
    tables = [b"input,a,b\r\nx,1,2\r\n", b"input,b,c\r\ny,3,6\r\n", b"input,a,b\r\nz,4,5\r\n"]
    path = join_tables(tables, tmp_path / "all.csv")
    assert path is not None
    assert path.read_bytes() == b"input,a,b,c\r\nx,1,2,\r\ny,,3,6\r\nz,4,5,\r\n"


def test_several_pictures_go_into_a_folder_each_and_numbers_next_to_it(make_bench: Make) -> None:
    def two(data: bytes) -> dict[str, Any]:
        return {"mask_bytes": encoded(noise(9)), "style_bytes": inverted(data), "mood": 0.5}

    bench = make_bench(transform=two, outputs={"mask_bytes": [-1], "style_bytes": [-1], "mood": [-1]})
    bench.add("deep/a.png", png(3))
    report = bench.run()
    assert list(bench.outputs()) == ["deep/a.json", "mask/deep/a.png", "style/deep/a.png"]
    assert bench.outputs()["style/deep/a.png"] == inverted(png(3))
    assert table_of(report) == [{"input": "deep/a.png", "mood": "0.5"}]
    assert bench.run().skipped == 1


def test_a_name_that_is_not_utf8_has_its_results_and_its_row(classifier: Bench) -> None:
    raw = os.fsencode(classifier.input) + b"/caf\xe9.png"
    Path(os.fsdecode(raw)).write_bytes(encoded(Image.new("L", (8, 8), 9)))
    report = classifier.run()
    assert report.done == 4
    assert (classifier.output / os.fsdecode(b"caf\xe9.json")).exists()
    assert len(table_of(report)) == 4
    assert classifier.run().skipped == 4


def test_scores_cannot_be_put_together_from_tiles(classifier: Bench) -> None:
    with pytest.raises(UsageError, match="from tiles"):
        classifier.run(size=(8, 8), size_policy="tile")


def test_an_answer_that_lacks_an_output_is_reported_as_such(make_bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(pacing, "_LONGEST_PAUSE_S", 0.02)
    bench = make_bench(
        transform=lambda data: {"scores": [1.0]} if decoded(data).size == (3, 3) else brightness(data),
        outputs=CLASSIFIER,
    )
    bench.add("a.png", png(1))
    bench.add("b.png", png(1, (3, 3)))
    report = bench.run(sick_deadline_s=5.0)
    assert (report.done, dict(report.failures_by_kind)) == (1, {"bad_output": 1})


def test_class_numbers_are_never_mixed(make_bench: Make) -> None:
    def halves(data: bytes) -> bytes:
        size = decoded(data).size
        classes = Image.new("L", size, 3)
        classes.paste(200, (size[0] // 2, 0, size[0], size[1]))
        return encoded(classes)

    for policy in ("fit", "pad", "crop", "tile"):
        bench = make_bench(policy, transform=halves)
        bench.add("a.png", png(1, (90, 50)))
        bench.run(size=(32, 32), size_policy=policy, class_pixels=True, restore_size=True)
        assert set(np.unique(np.asarray(decoded(bench.outputs()["a.png"])))) == {3, 200}


def test_every_kind_of_result_can_be_made_again(make_bench: Make) -> None:
    def two(data: bytes) -> dict[str, Any]:
        return {"mask_bytes": encoded(noise(9)), "style_bytes": inverted(data), "mood": 0.5}

    square = with_square((64, 48), (20, 10, 30, 20))
    for name, transform, outputs in (
        ("detector", red_square, DETECTOR),
        ("classifier", brightness, CLASSIFIER),
        ("both", two, {"mask_bytes": [-1], "style_bytes": [-1], "mood": [-1]}),
    ):
        bench = make_bench(name, transform=transform, outputs=outputs)
        bench.add("deep/a.png", square)
        bench.run(provenance=True)
        with ModelServerClient(bench.server.url) as client:
            for made in bench.outputs():
                assert replay(bench.output / made, bench.input, client).verdict == "exact", made
            bench.model.transform = lambda data: {"classes": ["dark", "bright"], "scores": [0.501, 0.5]}
            if name == "classifier":
                assert replay(bench.output / "deep/a.json", bench.input, client).verdict == "different"
