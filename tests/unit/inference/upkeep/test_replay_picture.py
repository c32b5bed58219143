"""Replay: an output is made again from what is written in it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import UsageError
from tendies_ops.inference.results.provenance import add_provenance, read_provenance
from tendies_ops.inference.upkeep.replay_picture import replay
from tests.support.batch_bench import Bench
from tests.support.sample_pictures import decoded, encoded, inverted, noise, png


@pytest.mark.parametrize("options", [{}, {"size": (8, 8), "size_policy": "tile"}, {"output_format": "jpeg"}])
def test_what_a_run_made_is_made_again_exactly(bench: Bench, options: dict[str, object]) -> None:
    source = bench.add("deep/a.png", png(1, (30, 20)))
    bench.run(provenance=True, **options)
    (result,) = [bench.output / name for name in bench.outputs()]
    with ModelServerClient(bench.server.url) as client:
        assert replay(result, source, client).verdict == "exact"
        assert replay(result, bench.input, client).verdict == "exact"


def test_a_model_that_computes_something_else_now_is_noticed(bench: Bench) -> None:
    bench.add("a.png", png(1))
    bench.run(provenance=True)
    bench.model.transform = lambda data: encoded(decoded(inverted(data)).point(lambda value: min(255, value + 1)))
    with ModelServerClient(bench.server.url) as client:
        assert replay(bench.output / "a.png", bench.input, client).verdict == "within tolerance"
        bench.model.transform = lambda data: data
        outcome = replay(bench.output / "a.png", bench.input, client)
    assert (outcome.verdict, outcome.max_abs > 100) == ("different", True)


def test_another_picture_or_one_without_provenance_is_wrong_usage(bench: Bench, tmp_path: Path) -> None:
    bench.add("a.png", png(1))
    bench.run(provenance=True)
    (tmp_path / "other.png").write_bytes(encoded(noise(5)))
    with ModelServerClient(bench.server.url) as client:
        with pytest.raises(UsageError, match="not the picture"):
            replay(bench.output / "a.png", tmp_path / "other.png", client)
        with pytest.raises(UsageError, match="has no provenance"):
            replay(tmp_path / "other.png", bench.input, client)


def test_facts_in_any_letters_come_back_from_a_picture() -> None:
    facts = {"model_name": "m", "input": "Küche/été 夏.png"}
    for name in ("PNG", "JPEG"):
        assert read_provenance(add_provenance(encoded(noise(1), name), facts)) == facts


def animation(*seeds: int) -> bytes:
    first, *others = (noise(seed) for seed in seeds)
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=others, duration=100)
    return stream.getvalue()


def test_every_frame_of_an_animation_and_its_size_are_compared(bench: Bench) -> None:
    bench.add("a.gif", animation(1, 2, 3))
    bench.run(provenance=True, animated="all")
    (result,) = [bench.output / name for name in bench.outputs()]
    last_part = bench.model.predicted[-1]
    with ModelServerClient(bench.server.url) as client:
        assert replay(result, bench.input, client).verdict == "exact"
        bench.model.transform = lambda data: inverted(data) if data != last_part else encoded(noise(9))
        assert replay(result, bench.input, client).verdict == "different"
        bench.model.transform = lambda data: encoded(noise(9, (7, 7)))
        assert replay(result, bench.input, client).verdict == "different"
