"""Bytes that may be pictures: they are sent, or fail with a reason."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tendies_ops.compare import compare_pixels
from tendies_ops.errors import BadAnswerError
from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.header import identify, read_header
from tendies_ops.inference.picture.prepare import prepare
from tendies_ops.inference.results.provenance import add_provenance, read_provenance
from tests.fuzz.garbage import mutated
from tests.support.sample_pictures import decoded, encoded, noise

_MODES = {"PNG": ["1", "L", "LA", "P", "RGB", "RGBA"], "JPEG": ["L", "RGB", "CMYK"], "GIF": ["P"], "BMP": ["RGB"]}
_MODES |= {"TIFF": ["L", "RGB", "CMYK"], "WEBP": ["RGB", "RGBA"], "PPM": ["RGB"]}
KINDS = [(name, mode) for name, modes in _MODES.items() for mode in modes]
SMALL = BatchOptions(input="", output="", model_name="m", servers=("http://h",), max_megapixels=0.01, size=(8, 8))
ANY_SIZE = SMALL.replaced(size=None)
WHOLE = {(name, mode): encoded(noise(1, (12, 9)).convert(mode), name) for name, mode in KINDS}


@given(st.sampled_from(KINDS), st.integers(1, 40), st.integers(1, 40))
def test_a_header_says_what_the_decoder_says(kind: tuple[str, str], width: int, height: int) -> None:
    name, mode = kind
    data = encoded(noise(2, (width, height)).convert(mode), name)
    header = read_header(data)
    assert header is not None
    assert header.format == name
    assert header.width in {0, width}
    assert header.height in {0, height}
    assert not header.fits or mode in {"L", "RGB"}


@given(st.data(), st.sampled_from(["fit", "pad", "crop", "tile"]), st.booleans())
def test_a_damaged_file_is_prepared_or_fails_with_a_reason(data: st.DataObject, policy: Any, fixed: bool) -> None:
    whole = WHOLE[data.draw(st.sampled_from(KINDS))]
    options = (SMALL if fixed else ANY_SIZE).replaced(size_policy=policy, animated="all")
    try:
        prepared = prepare(data.draw(mutated(whole)), options)
    except PictureError as error:
        assert error.reason
        return
    assert prepared.parts
    if fixed:
        prepared.finish(prepared.parts)


@given(st.binary(max_size=60), st.sampled_from([data[:n] for data in WHOLE.values() for n in (4, 12, 30)]))
def test_garbage_behind_any_beginning_fails_with_a_reason(garbage: bytes, beginning: bytes) -> None:
    try:
        prepare(beginning + garbage, ANY_SIZE)
    except PictureError as error:
        assert error.reason


@given(st.data())
def test_any_answer_is_finished_or_a_bad_output(data: st.DataObject) -> None:
    tiles = prepare(encoded(noise(1, (20, 20))), SMALL.replaced(size_policy="tile"))
    answers = [data.draw(st.just(part) | mutated(part)) for part in tiles.parts]
    try:
        decoded(tiles.finish(answers))
    except PictureError as error:
        assert error.kind == "bad_output"


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=9))
@example([(1, 1), (1, 2)])
@example([(1, 3)])
def test_tiles_of_any_sizes_are_put_together_or_are_a_bad_output(sizes: list[tuple[int, int]]) -> None:
    tiles = prepare(encoded(noise(1, (20, 20))), SMALL.replaced(size_policy="tile"))
    answers = [encoded(noise(n, sizes[n % len(sizes)])) for n in range(len(tiles.parts))]
    try:
        decoded(tiles.finish(answers))
    except PictureError as error:
        assert error.kind == "bad_output"


@given(st.binary(max_size=80) | st.sampled_from(list(WHOLE.values())).flatmap(mutated))
@example(WHOLE["PNG", "1"][:16] + b"\x00\x01\x00\x00\x00\x01\x00\x00" + WHOLE["PNG", "1"][24:])  # a bomb
def test_any_bytes_carry_provenance_or_none(data: bytes) -> None:
    identify(data[:20])
    read_provenance(data)


@given(st.sampled_from(KINDS), st.dictionaries(st.text(max_size=8), st.text(max_size=20), min_size=1, max_size=3))
@example(("PNG", "L"), {"input": "\x80"})
def test_provenance_comes_back_and_changes_no_pixel(kind: tuple[str, str], facts: dict[str, str]) -> None:
    whole = WHOLE[kind]
    facts = {"model_name": "m", **facts}
    marked = add_provenance(whole, facts)
    found = read_provenance(marked)
    assert found in (facts, None)
    assert found == facts or marked == whole, "it was changed and says nothing"
    assert decoded(marked).tobytes() == decoded(whole).tobytes()


@given(st.data())
def test_any_two_answers_are_compared_or_one_is_none(data: st.DataObject) -> None:
    whole = WHOLE["PNG", "RGB"]
    try:
        assert 0 <= compare_pixels(whole, data.draw(mutated(whole) | st.binary(max_size=40))).max_abs <= 255
    except BadAnswerError as error:
        assert str(error)
