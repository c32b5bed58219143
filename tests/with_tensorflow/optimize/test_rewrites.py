"""Each rewrite alone: what it does to the graph, and what that does to the numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.fold import fold
from tendies_ops.export.optimize.half_precision import bfloat16, float16
from tendies_ops.export.optimize.host import Host
from tendies_ops.export.optimize.int8_weights import int8_weights
from tendies_ops.export.optimize.rewrite import NotApplicableError
from tendies_ops.export.optimize.variants import make_variant, variants_to_try
from tendies_ops.spec import REWRITE_NAMES
from tests.with_tensorflow.optimize.networks import (
    PICTURE,
    batch_normalized,
    biased,
    built,
    called,
    generator,
    operations,
    repeated,
    run,
    weights,
)

BFLOAT16, HALF, FLOAT32 = 14, 19, 1  # tensorflow/core/framework/types.proto
Rewrite: TypeAlias = Callable[[FrozenNetwork], FrozenNetwork]
CONVOLUTIONS = ("Conv2D", "Conv2DBackpropInput")


def change_db(network: FrozenNetwork, rewritten: FrozenNetwork) -> float:
    """PSNR of -1..1 pictures."""
    return float(-10 * np.log10(np.mean((run(network) - run(rewritten)) ** 2) / 4))


def dtypes(network: FrozenNetwork, *kinds: str) -> list[int]:
    return [node.attr["T"].type for node in network.graph_def.node if node.op in kinds]


def test_fold_computes_what_does_not_depend_on_the_picture() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        tile = tf.nn.conv2d(tf.fill([1, 8, 8, 3], 0.5), weights(3, 3, 3, 3), 1, "SAME")
        return tf.identity(image) + tf.reduce_mean(tf.tile(tile, [1, 2, 2, 1]), [1, 2], keepdims=True)

    network = built(build)
    folded = fold(network)

    assert sorted(set(operations(folded))) == ["AddV2", "Const", "Placeholder"]
    assert np.array_equal(run(network), run(folded))


def test_fold_leaves_a_constant_small_that_would_grow_the_file() -> None:
    import tensorflow as tf

    network = built(lambda image: image[:, :1, :1] + tf.tile(tf.fill([1, 1, 1, 3], 0.5), [1, 2000, 2000, 1]))

    assert fold(network).graph_def.ByteSize() < 10_000


def test_fold_puts_functions_in_the_place_of_their_calls() -> None:
    network = built(called)
    folded = fold(network)

    assert "PartitionedCall" in " ".join(operations(network))
    assert "Conv2D" in operations(folded)
    assert np.array_equal(run(network), run(folded))


@pytest.mark.parametrize("rewrite", [fold, bfloat16, int8_weights])
def test_control_flow_is_left_alone_with_a_word(rewrite: Rewrite) -> None:
    with pytest.raises(NotApplicableError, match="control flow"):
        rewrite(built(repeated))


def test_fold_leaves_noise_to_be_drawn_anew() -> None:
    import tensorflow as tf

    network = built(lambda image: image + tf.random.truncated_normal([1, 1, 1, 3], seed=1))
    assert "TruncatedNormal" in operations(fold(network))


@pytest.mark.parametrize(("rewrite", "number", "least_db"), [(bfloat16, BFLOAT16, 45), (float16, HALF, 60)])
def test_convolutions_become_half_precision_and_what_matters_stays_float32(
    rewrite: Rewrite, number: int, least_db: float
) -> None:
    network = fold(built(generator))
    halved = rewrite(network)

    assert sorted(dtypes(halved, *CONVOLUTIONS)) == sorted([FLOAT32, number, number, number, number])
    assert set(dtypes(halved, "Mean", "SquaredDifference", "Rsqrt", "Tanh")) == {FLOAT32}
    nodes = {node.name: node for node in halved.graph_def.node}
    (tanh,) = (node for node in nodes.values() if node.op == "Tanh")
    assert nodes[tanh.input[0]].attr["T"].type == FLOAT32, "the last convolution"
    assert change_db(network, halved) > least_db


def test_casts_move_past_bias_activation_and_joining_so_that_kernels_can_be_fused() -> None:
    network = fold(built(biased))
    halved = bfloat16(network)

    assert set(dtypes(halved, "BiasAdd", "ConcatV2")) == {BFLOAT16}
    assert operations(halved).count("Cast") == 2, "one into the first layer, one before the last"
    assert change_db(network, halved) > 40


def test_a_reflected_border_is_moved_in_half_the_bytes() -> None:
    halved = bfloat16(fold(built(generator)))

    assert set(dtypes(halved, "MirrorPad")) == {BFLOAT16}


def test_a_network_of_one_convolution_has_nothing_but_a_last_one() -> None:
    with pytest.raises(NotApplicableError, match="besides its last"):
        bfloat16(built(_one))


def _one(image: Any) -> Any:
    import tensorflow as tf

    return tf.nn.conv2d(image, weights(3, 3, 3, 3), 1, "SAME")


def test_8_bit_filters_take_a_quarter_of_the_file() -> None:
    import tensorflow as tf

    network = built(lambda image: tf.nn.conv2d(_one(image), weights(3, 3, 3, 4096), 1, "SAME")[..., :3])
    small = int8_weights(network)

    assert small.graph_def.ByteSize() < 0.3 * network.graph_def.ByteSize()
    assert change_db(network, small) > 40


@pytest.mark.parametrize("build", [generator, batch_normalized, biased, called])
def test_every_rewrite_together_uses_tensorflows_own_operations_and_answers_any_size(
    build: Callable[[Any], Any],
) -> None:
    from tensorflow.python.framework import op_def_registry

    network = built(build)
    variant = make_variant(network, REWRITE_NAMES)
    picture = PICTURE[:1, :12, :8]

    assert all(op_def_registry.get(operation) is not None for operation in operations(variant.network))
    assert run(variant.network, picture).shape == run(network, picture).shape
    assert change_db(network, variant.network) > 30


def test_the_same_network_is_rewritten_into_the_same_bytes() -> None:
    first, second = (make_variant(built(generator), REWRITE_NAMES).network.graph_def for _ in range(2))

    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_auto_tries_half_precision_only_where_the_host_is_fast_with_it() -> None:
    network = built(generator)
    old, _ = variants_to_try(network, Host("Old CPU", 2, frozenset()))
    new, reasons = variants_to_try(network, Host("New CPU", 2, frozenset({"avx512_bf16"})))

    assert [variant.name for variant in old] == ["fold"]
    assert [variant.name for variant in new] == ["fold", "fold+bfloat16"]
    assert reasons == ["float16: float16 is fast on GPUs only, and this machine has none"]


def test_auto_has_nothing_to_try_on_control_flow_and_says_so() -> None:
    variants, reasons = variants_to_try(built(repeated), Host("New CPU", 2, frozenset({"avx512_bf16"})))

    assert variants == []
    assert any("control flow" in reason for reason in reasons)
