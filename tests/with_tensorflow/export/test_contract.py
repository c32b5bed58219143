"""The contract in the graph, on networks that are known by heart: any size, any kind of file, any range and layout."""

from __future__ import annotations

import io
import resource
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tendies_ops.export.contract.signature import Plan, build_serving_graph
from tendies_ops.export.network import IMAGE, FrozenNetwork, Input
from tendies_ops.export.reference import network_input
from tendies_ops.export.savedmodel_files import load_signature, write_saved_model
from tendies_ops.spec import Contract
from tests.support.pixels import jpeg, pixels_of, png, random_pixels

SIDES = st.integers(1, 65)
Pixels: TypeAlias = NDArray[np.uint8]
#: From a tensor to a tensor.
Network: TypeAlias = Callable[[Any], Any]
#: Picture files in; an array of the answers, files or numbers.
Serve: TypeAlias = Callable[..., NDArray[Any]]
QUIET = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def identity(x: Any) -> Any:
    return x


def four_by_four_blocks(x: Any) -> Any:
    """As strided networks do: the output has 4 * ceil(n / 4) pixels a side."""
    import tensorflow as tf

    pooled = tf.nn.max_pool2d(x, 4, 4, "SAME")
    return tf.repeat(tf.repeat(pooled, 4, axis=1), 4, axis=2)


def twice_the_size(x: Any) -> Any:
    import tensorflow as tf

    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)


def overshoots(x: Any) -> Any:
    return x * 3.0 - 1.0


def served(wanted: Mapping[str, Any], network: Network, directory: Path) -> Serve:
    """Serve ``network`` under the contract that is ``wanted``."""
    import tensorflow as tf

    contract = Contract.model_validate(wanted)
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(contract.input.dtype, [None] * 4, name="x")
        shape = [None, None, None, contract.input.channels]
        image_of_shape = tf.ensure_shape(image, shape) if contract.input.layout == "nhwc" else image
        output = tf.identity(network(image_of_shape), name="y")
    frozen = FrozenNetwork(graph.as_graph_def(), {IMAGE: image.name}, {"output": output.name})
    plan = Plan(frozen, {IMAGE: Input(contract.input.dtype, None)}, contract)
    write_saved_model(build_serving_graph(plan), directory)
    function = load_signature(directory)
    return lambda *files: next(iter(function(input_bytes=tf.constant(list(files))).values())).numpy()


SAME = {"low": -1, "high": 1}
CONTRACTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "minus one to one": {"input": {"range": SAME}, "output": {"range": SAME}},
    "0 to 255": {"input": {"range": {"low": 0, "high": 255}}, "output": {"range": {"low": 0, "high": 255}}},
    "bgr, channels first": {
        "input": {"color_order": "bgr", "layout": "nchw"},
        "output": {"color_order": "bgr", "layout": "nchw"},
    },
    "bytes": {"input": {"dtype": "uint8"}, "output": {"range": {"low": 0, "high": 255}}},
    "mean and deviation": {
        "input": {"range": {"low": 0, "high": 255}, "subtract_mean": [103.9, 116.8, 123.7], "color_order": "bgr"},
        "output": {"range": {"low": 0, "high": 255}, "add_mean": [103.9, 116.8, 123.7], "color_order": "bgr"},
    },
    "padded to 8": {"input": {"multiple_of": 8}},
    "one by one": {"input": {"batch_size": 1}},
}


@pytest.fixture(scope="module", params=CONTRACTS)
def there_and_back(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    return served(CONTRACTS[request.param], identity, tmp_path_factory.mktemp("served"))


@QUIET
@given(sides=st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_the_identity_gives_back_every_picture_of_a_mixed_batch(
    there_and_back: Serve, sides: list[tuple[int, int]], seed: int
) -> None:
    pictures = [random_pixels(height, width, seed=seed + n) for n, (height, width) in enumerate(sides)]
    answers = there_and_back(*[png(picture) for picture in pictures])
    for picture, answer in zip(pictures, answers, strict=True):
        assert np.array_equal(pixels_of(answer), picture)


def as_file(mode: str, height: int, width: int, seed: int) -> tuple[bytes, Pixels]:
    """A file of a mode, and the 8-bit RGB pixels that it must be taken as."""
    pixels = random_pixels(height, width, 4, seed)
    stream = io.BytesIO()
    if mode == "I;16":
        wide = np.random.default_rng(seed).integers(0, 65536, (height, width)).astype(np.uint16)
        Image.fromarray(wide).save(stream, "PNG")
        return stream.getvalue(), np.repeat((wide >> 8).astype(np.uint8)[..., None], 3, axis=2)
    image = Image.fromarray(pixels).convert("RGB").convert(mode) if mode in "1PL" else Image.fromarray(pixels)
    if mode == "LA":
        image = Image.fromarray(pixels[:, :, :2].copy(), "LA")
    if mode == "RGB":
        image = Image.fromarray(pixels[:, :, :3].copy())
    image.save(stream, "PNG")
    return stream.getvalue(), np.array(image.convert("RGB"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    return served({}, identity, tmp_path_factory.mktemp("plain"))


@QUIET
@given(mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]), height=SIDES, width=SIDES)
def test_every_kind_of_png_becomes_8_bit_rgb(plain: Serve, mode: str, height: int, width: int) -> None:
    file, wanted = as_file(mode, height, width, seed=height)
    assert np.array_equal(pixels_of(plain(file)[0]), wanted)


@QUIET
@given(height=SIDES, width=SIDES, grey=st.booleans())
def test_a_jpeg_is_decoded_as_other_programs_decode_it(plain: Serve, height: int, width: int, grey: bool) -> None:
    file = jpeg(random_pixels(height, width, 1 if grey else 3))
    wanted = np.array(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)
    assert np.abs(pixels_of(plain(file)[0]).astype(int) - wanted).max() <= 1


@QUIET
@given(height=SIDES, width=SIDES)
def test_a_strided_network_gives_back_the_size_that_came(strided: Serve, height: int, width: int) -> None:
    picture = random_pixels(height, width)
    assert pixels_of(strided(png(picture))[0]).shape == picture.shape


@pytest.fixture(scope="module", params=[1, 4])
def strided(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    contract = {"input": {"multiple_of": request.param}}
    return served(contract, four_by_four_blocks, tmp_path_factory.mktemp("strided"))


@pytest.fixture(scope="module")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    contract = {"input": {"multiple_of": 4}, "output": {"scale": 2}}
    return served(contract, twice_the_size, tmp_path_factory.mktemp("double"))


@QUIET
@given(height=SIDES, width=SIDES)
def test_super_resolution_keeps_its_factor_after_padding(doubling: Serve, height: int, width: int) -> None:
    picture = random_pixels(height, width)
    wanted = picture.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(pixels_of(doubling(png(picture))[0]), wanted)


RESIZED = ["bilinear", "bicubic", "area"]


@pytest.fixture(scope="module", params=RESIZED)
def resizing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Contract, Serve]:
    contract = {
        "input": {"size": {"height": 16, "width": 24}, "resize": request.param, "range": {"low": 0, "high": 255}},
        "output": {"kind": "tensor"},
    }
    return Contract.model_validate(contract), served(contract, identity, tmp_path_factory.mktemp("resized"))


@QUIET
@given(height=SIDES, width=SIDES)
def test_a_resize_in_the_graph_is_the_resize_by_hand(resizing: tuple[Contract, Serve], height: int, width: int) -> None:
    contract, serve = resizing
    picture = random_pixels(height, width)
    answer = serve(png(picture), png(picture[::-1].copy()))
    assert answer.shape == (2, 16, 24, 3)
    assert np.abs(answer[0] - network_input(picture, contract.input)[0]).max() < 0.02


def test_a_resized_picture_is_brought_back_to_its_size(tmp_path: Path) -> None:
    contract = {
        "input": {"size": {"height": 32, "width": 32}, "resize": "bilinear"},
        "output": {"restore_size": True},
    }
    smooth = np.tile(np.linspace(0, 255, 50).astype(np.uint8)[None, :, None], (37, 1, 3))
    answer = pixels_of(served(contract, identity, tmp_path)(png(smooth))[0])
    assert answer.shape == smooth.shape
    assert np.abs(answer.astype(int) - smooth).max() <= 8


def test_what_overshoots_is_clipped_and_not_wrapped_round(tmp_path: Path) -> None:
    picture = np.array([[[0, 128, 255]]], np.uint8)
    answer = pixels_of(served({}, overshoots, tmp_path)(png(picture))[0])
    assert answer[0, 0].tolist() == [0, 129, 255]


@pytest.mark.parametrize(("alpha", "wanted"), [("drop", 200), ("over_white", 255), ("over_black", 0)])
def test_a_transparent_pixel_is_what_the_contract_says(alpha: str, wanted: int, tmp_path: Path) -> None:
    transparent = np.full((2, 2, 4), 200, np.uint8)
    transparent[..., 3] = 0
    serve = served({"input": {"alpha": alpha}}, identity, tmp_path)
    assert pixels_of(serve(png(transparent))[0]).tolist() == np.full((2, 2, 3), wanted).tolist()
    opaque = random_pixels(3, 5)
    assert np.array_equal(pixels_of(serve(png(opaque))[0]), opaque)
    assert pixels_of(serve(jpeg(opaque))[0]).shape == (3, 5, 3)


def test_grey_networks_get_and_give_one_channel(tmp_path: Path) -> None:
    grey = random_pixels(9, 7, 1)
    serve = served({"input": {"channels": 1}}, identity, tmp_path)
    assert np.array_equal(pixels_of(serve(png(grey))[0]), grey)


def test_alpha_stays_last_where_a_network_wants_its_colours_the_other_way_round(tmp_path: Path) -> None:
    contract = {"input": {"channels": 4, "color_order": "bgr"}, "output": {"color_order": "bgr"}}
    picture = random_pixels(4, 5, 4)
    assert np.array_equal(pixels_of(served(contract, identity, tmp_path)(png(picture))[0]), picture)


def with_gamma(file: bytes) -> bytes:
    """The same PNG with a gAMA chunk of 1/2.2, as photographs often have one."""
    data = b"gAMA" + struct.pack(">I", 45455)
    return file[:33] + struct.pack(">I", 4) + data + struct.pack(">I", zlib.crc32(data)) + file[33:]


def test_a_grey_network_sees_colours_as_other_programs_make_them_grey(tmp_path: Path) -> None:
    serve = served({"input": {"channels": 1}}, identity, tmp_path)
    levels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    colors = random_pixels(16, 16)
    for pixels in (levels, colors):
        wanted = np.asarray(Image.fromarray(pixels).convert("L")).astype(int)
        for file in (png(pixels), with_gamma(png(pixels))):
            assert np.abs(pixels_of(serve(file)[0]).astype(int) - wanted).max() <= 1
    assert np.array_equal(pixels_of(serve(png(levels))[0]), levels[:, :, 0])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("alpha", [None, 128])
def test_a_palette_of_few_bits_is_as_opaque_as_it_says(bits: int, alpha: int | None, tmp_path: Path) -> None:
    palette = Image.new("P", (5, 3), 1)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    stream = io.BytesIO()
    palette.save(stream, "PNG", bits=bits, **({} if alpha is None else {"transparency": bytes([255, alpha])}))
    wanted = [200, 100, 50, 255 if alpha is None else alpha]

    four = served({"input": {"channels": 4}}, identity, tmp_path / "four")
    assert np.array_equal(pixels_of(four(stream.getvalue())[0]), np.full((3, 5, 4), wanted))
    if alpha is None:
        over = served({"input": {"alpha": "over_white"}}, identity, tmp_path / "over")
        assert np.array_equal(pixels_of(over(stream.getvalue())[0]), np.full((3, 5, 3), wanted[:3]))


def bomb(side: int) -> bytes:
    """A PNG of ``side`` x ``side`` black pixels, 1 bit each: small, and many times that when decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def error_of(serve: Serve, *files: bytes) -> str:
    import tensorflow as tf

    with pytest.raises(tf.errors.OpError) as caught:
        serve(*files)
    return str(caught.value)


def test_a_bomb_is_refused_before_its_memory_is_taken(plain: Serve) -> None:
    file = bomb(20000)  # 1.2 GB as RGB
    plain(png(random_pixels(4, 4)))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = error_of(plain, file)
    taken_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb

    assert len(file) < 200_000
    assert "too large" in message
    assert "at most 64" in message
    assert "max_megapixels" in message
    assert taken_kb < 100_000


def test_one_bomb_among_good_pictures_is_refused_too(plain: Serve) -> None:
    assert "at most 64" in error_of(plain, png(random_pixels(4, 4)), bomb(20000))


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"", "Not a PNG or JPEG"),
        (b"GIF89a" + bytes(40), "Not a PNG or JPEG"),
        (b"\x89PNG\r\n\x1a\n", "a side of 0"),
        (png(random_pixels(30, 30))[:900], "PNG"),
        (jpeg(random_pixels(64, 64))[:900], "JPEG"),
        (b"\xff\xd8\xff", "JPEG"),
    ],
)
def test_what_is_no_whole_picture_is_refused_with_words(plain: Serve, file: bytes, words: str) -> None:
    assert words in error_of(plain, file)


def test_a_fixed_size_network_refuses_another_size_and_names_its_own(tmp_path: Path) -> None:
    serve = served({"input": {"size": {"height": 8, "width": 16}}}, identity, tmp_path)
    picture = random_pixels(8, 16)
    assert np.array_equal(pixels_of(serve(png(picture))[0]), picture)
    assert "8 x 16" in error_of(serve, png(random_pixels(16, 8)))
