"""Whole runs against a server on a socket: what becomes of each picture, and what is told."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tendies_ops.credentials import Credentials
from tendies_ops.errors import InputFolderError
from tendies_ops.inference import BatchProgress, run_batch
from tendies_ops.inference.results.provenance import read_provenance
from tests.support.batch_bench import Bench, counts
from tests.support.canned_server import Request
from tests.support.sample_pictures import decoded, encoded, folder_of_pngs, inverted, noise, png

LEDGER_FIELDS = {
    *("input", "input_digest", "size_bytes", "modified_ns", "outcome", "kind", "reason", "output", "output_digest"),
    *("output_size_bytes", "output_modified_ns"),
    *("model_name", "version", "model_digest", "options_digest", "attempt", "milliseconds", "batch_size", "run_id"),
}


def test_a_tree_is_mirrored_and_every_output_is_the_models(bench: Bench) -> None:
    pictures = {"a.png": png(1), "deep/er/b.jpg": encoded(noise(2), "JPEG"), "c.gif": encoded(noise(3), "GIF")}
    for name, data in pictures.items():
        bench.add(name, data)
    report = bench.run()
    assert counts(report) == (3, 3, 0, 0)
    assert report.ok
    outputs = bench.outputs()
    assert list(outputs) == ["a.png", "c.png", "deep/er/b.png"]
    assert outputs["a.png"] == inverted(pictures["a.png"])
    assert outputs["deep/er/b.png"] == inverted(pictures["deep/er/b.jpg"])


def test_the_ledger_says_what_became_of_each_picture(bench: Bench) -> None:
    bench.add("good.png", png(1))
    bench.add("bad.png", b"\x89PNG\r\n\x1a\nbroken")
    bench.run()
    records = bench.newest_records()
    assert {frozenset(record) for record in records.values()} == {frozenset(LEDGER_FIELDS)}
    good, bad = records["good.png"], records["bad.png"]
    assert (good["outcome"], good["output"], good["attempt"], good["batch_size"]) == ("done", "good.png", 1, 1)
    assert good["input_digest"].startswith("sha256:")
    assert good["output_digest"] != good["input_digest"]
    assert (bad["outcome"], bad["kind"], bad["output"]) == ("failed", "damaged", None)
    assert bad["reason"]


def test_the_pinned_version_is_asked_throughout(bench: Bench) -> None:
    folder_of_pngs(bench.input, 40)
    bench.model.version = 7
    assert bench.run(max_batch_size=4).version == 7
    predicts = {path for path in bench.model.paths if path.endswith(":predict")}
    assert predicts == {"/v1/models/m/versions/7:predict"}


def test_names_that_would_collide_keep_apart(bench: Bench) -> None:
    bench.add("a.jpg", encoded(noise(1), "JPEG"))
    bench.add("a.png", png(2))
    bench.run()
    assert list(bench.outputs()) == ["a.jpg.png", "a.png.png"]


def test_content_decides_and_not_the_name(bench: Bench) -> None:
    bench.add("really-a-png.txt", png(1))
    bench.add("no-extension", png(2))
    bench.add("really-text.png", b"hello")
    bench.add("notes.txt", b"hello")
    bench.add("unknown.xyz", b"hello")
    report = bench.run()
    assert counts(report) == (4, 2, 0, 2)
    assert report.ignored == 1
    assert {failure.input for failure in report.failures} == {"really-text.png", "unknown.xyz"}


def test_names_that_are_not_utf8_make_the_whole_way(bench: Bench) -> None:
    raw = os.fsencode(bench.input) + b"/\xff\xfe\n.png"
    Path(os.fsdecode(raw)).write_bytes(png(1))
    assert counts(bench.run()) == (1, 1, 0, 0)
    assert [os.fsencode(path) for path in bench.outputs()] == [b"\xff\xfe\n.png"]
    assert counts(bench.run()) == (1, 0, 1, 0)
    json.loads((bench.output / ".tendies" / "runs").glob("*/report.json").__next__().read_text())


def test_provenance_names_what_made_an_output_and_leaves_its_pixels_alone(bench: Bench) -> None:
    bench.add("a.png", png(1))
    report = bench.run(provenance=True)
    output = bench.outputs()["a.png"]
    facts = read_provenance(output)
    assert facts is not None
    assert (facts["model_name"], facts["version"], facts["input"]) == ("m", 1, "a.png")
    assert facts["options_digest"] == report.options_digest
    assert decoded(output).tobytes() == decoded(inverted(png(1))).tobytes()


def test_bad_pictures_cost_themselves_only(bench: Bench) -> None:
    folder_of_pngs(bench.input, 60)
    for number in (7, 31, 32):  # whole by its headers, broken inside: only the model notices
        whole = bytearray(png(number, (64, 64)))
        whole[200:260] = bytes(60)
        bench.add(f"{number:05}.png", bytes(whole))
    report = bench.run()
    assert counts(report) == (60, 57, 0, 3)
    assert {failure.kind for failure in report.failures} == {"damaged"}, "they do not decode here either"
    assert all("does not decode" in failure.reason for failure in report.failures)
    asked_alone = 8  # rounds, until it is clear that no one else is the reason
    assert report.requests <= 2 + 3 * 2 * 5 + 2 + 3 * asked_alone
    for number in set(range(60)) - {7, 31, 32}:
        assert bench.outputs()[f"{number:05}.png"] == inverted(png(number))


@pytest.mark.parametrize(
    ("max_failed", "ok"), [(None, False), (0, False), (1, False), (2, True), (0.1, False), (0.5, True)]
)
def test_max_failed_decides(bench: Bench, max_failed: float | None, ok: bool) -> None:
    folder_of_pngs(bench.input, 4)
    bench.add("x.png", b"")
    bench.add("y.png", b"")
    assert bench.run(max_failed=max_failed).ok is ok


def test_a_run_in_which_everything_failed_is_never_ok(bench: Bench) -> None:
    bench.add("x.png", b"")
    assert not bench.run().ok


def test_a_dry_run_counts_and_asks_nothing(bench: Bench) -> None:
    folder_of_pngs(bench.input, 5)
    bench.run(sample=2)
    bench.model.predicted.clear()
    report = bench.run(dry_run=True)
    assert (report.to_do, report.skipped, report.total) == (3, 2, 5)
    assert report.estimate_s is not None
    assert bench.model.predicted == []


def test_a_dry_run_passes_over_the_files_that_a_run_passes_over(bench: Bench) -> None:
    bench.add("notes.txt", b"of yesterday")
    with pytest.raises(InputFolderError, match="1 other files"):
        bench.run(dry_run=True)
    bench.add("picture.txt", png(1))
    report = bench.run(dry_run=True)
    assert (report.to_do, report.ignored, report.total) == (1, 1, 1)


def test_a_file_that_says_it_is_something_else_is_passed_over_whatever_its_size(bench: Bench) -> None:
    bench.add("a.png", png(1))
    bench.add("film.mp4", bytes(200_000))
    report = bench.run(max_file_mib=0.1)
    assert (report.done, report.failed, report.ignored) == (1, 0, 1)


def test_tiles_of_many_pictures_come_together_again(make_bench: Callable[..., Bench]) -> None:
    def same_size_only(data: bytes) -> bytes:
        if decoded(data).size != (16, 16):
            raise ValueError("wrong size")
        return inverted(data)

    bench = make_bench(transform=same_size_only)
    for number, size in enumerate([(16, 16), (100, 50), (16, 90), (5, 7), (33, 17)]):
        bench.add(f"{number}.png", png(number, size))
    report = bench.run(size=(16, 16), size_policy="tile", overlap=4, max_batch_size=8)
    assert counts(report) == (5, 5, 0, 0)
    for number, size in enumerate([(16, 16), (100, 50), (16, 90), (5, 7), (33, 17)]):
        result = decoded(bench.outputs()[f"{number}.png"])
        assert result.tobytes() == decoded(inverted(png(number, size))).tobytes()


def refusing_white(data: bytes) -> bytes:
    if decoded(data).getpixel((0, 0)) == (255, 255, 255):
        raise ValueError("white")
    return inverted(data)


def test_one_bad_tile_fails_its_picture_once(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(transform=refusing_white)
    image = noise(1, (64, 16))
    image.paste((255, 255, 255), (30, 0, 64, 16))
    bench.add("bad.png", encoded(image))
    bench.add("good.png", png(2, (64, 16)))
    report = bench.run(size=(16, 16), size_policy="tile", overlap=0)
    assert counts(report) == (2, 1, 0, 1)
    assert len(bench.records()) == 2


def test_a_picture_whose_tiles_are_bad_in_several_requests_fails_once(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(transform=refusing_white)
    bench.add("bad.png", encoded(Image.new("RGB", (64, 16), (255, 255, 255))))
    bench.add("good.png", png(2, (64, 16)))
    report = bench.run(size=(16, 16), size_policy="tile", overlap=0, max_batch_size=1)
    assert counts(report) == (2, 1, 0, 1)
    assert len(bench.records()) == 2


def test_the_last_pictures_are_shared_among_the_free_places(bench: Bench) -> None:
    folder_of_pngs(bench.input, 9)
    assert bench.run(max_batch_size=32).done == 9
    assert sorted({record["batch_size"] for record in bench.records()}) == [4, 5]


def test_progress_is_reported_and_left_in_a_file(bench: Bench) -> None:
    folder_of_pngs(bench.input, 30)
    told: list[BatchProgress] = []
    report = run_batch(bench.options(max_batch_size=2), on_progress=told.append)
    assert told[-1].state == "finished"
    assert (told[-1].done, told[-1].total) == (30, 30)
    left = json.loads((Path(report.paths["report"]).parent / "progress.json").read_text())
    assert (left["state"], left["done"]) == ("finished", 30)


def test_the_summary_is_small_and_json(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    for number in range(50):
        bench.add(f"bad{number}.png", b"")
    summary = bench.run().summary()
    assert len(json.dumps(summary)) < 2500
    assert summary["failures_by_kind"] == {"not_an_image": 50}
    assert all(Path(path).exists() for path in summary["paths"].values())


def test_two_replicas_share_the_work(make_bench: Callable[..., Bench]) -> None:
    bench, other = make_bench("one"), make_bench("two")
    bench.model.fault = other.model.fault = lambda _: time.sleep(0.02)
    folder_of_pngs(bench.input, 60)
    report = bench.run(servers=(bench.server.url, other.server.url), max_batch_size=2)
    assert counts(report) == (60, 60, 0, 0)
    assert min(len(bench.model.predicted), len(other.model.predicted)) >= 10


def test_every_request_brings_the_login(bench: Bench) -> None:
    seen: list[str] = []

    def look(request: Request) -> None:
        seen.append(request.headers.get("authorization", ""))

    bench.model.fault = look
    bench.add("a.png", png(1))
    bench.run(credentials=Credentials({"Authorization": "Bearer x"}))
    assert seen == ["Bearer x"]


def test_an_output_below_the_input_is_left_out_also_where_it_is_a_url(bench: Bench) -> None:
    bench.add("a.png", png(1))
    output = bench.input / "out"
    assert bench.run(output=f"file://{output}").done == 1
    again = bench.run(output=f"file://{output}")
    assert (again.total, again.skipped) == (1, 1)


@pytest.mark.parametrize(("output_format", "width"), [("webp", 16_400), ("jpeg", 65_600)])
def test_a_result_that_its_format_has_no_room_for_is_one_failure(bench: Bench, output_format: str, width: int) -> None:
    bench.add("a.png", png(1))
    bench.add("wide.png", png(2, (width, 2)))
    report = bench.run(output_format=output_format)
    assert (report.done, report.failed) == (1, 1)
    assert f"its result of {width} x 2 pixels cannot be written as {output_format.upper()}" in report.failures[0].reason
