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
from tendies_ops.export.optimize.network_graph import NotApplicableError
from tendies_ops.export.optimize.norm_forms import fuse_instance_norms
from tendies_ops.export.optimize.precisions import worth_trying
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


def change_db(network: FrozenNetwork, rewritten: FrozenNetwork, picture: Any = PICTURE) -> float:
    """PSNR of -1..1 pictures."""
    return float(-10 * np.log10(np.mean((run(network, picture) - run(rewritten, picture)) ** 2) / 4))


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


@pytest.mark.parametrize("rewrite", [fold, bfloat16, float16])
def test_control_flow_is_left_alone_with_a_word(rewrite: Rewrite) -> None:
    with pytest.raises(NotApplicableError, match="control flow"):
        rewrite(built(repeated))


def test_fold_leaves_noise_to_be_drawn_again() -> None:
    import tensorflow as tf

    network = built(lambda image: image + tf.random.truncated_normal([1, 1, 1, 3], seed=1))
    assert "TruncatedNormal" in operations(fold(network))


@pytest.mark.parametrize(("rewrite", "number", "least_db"), [(bfloat16, BFLOAT16, 45), (float16, HALF, 60)])
def test_every_convolution_becomes_half_precision_and_what_matters_stays_float32(
    rewrite: Rewrite, number: int, least_db: float
) -> None:
    network = built(generator)
    halved = rewrite(network)

    assert set(dtypes(halved, *CONVOLUTIONS)) == {number}
    assert set(dtypes(halved, "Mean", "SquaredDifference", "Rsqrt", "Tanh")) <= {FLOAT32}
    assert change_db(network, halved, PICTURE[:1]) > least_db


def test_bfloat16_normalises_each_picture_with_the_kernel_that_reads_bfloat16() -> None:
    halved = bfloat16(built(generator))

    assert operations(halved).count("FusedBatchNormV3") == 4
    assert set(dtypes(halved, "FusedBatchNormV3", "MirrorPad")) == {BFLOAT16}
    assert operations(halved).count("Cast") == 2, "one into the first layer, one behind the last"
    assert halved.one_picture
    assert not bfloat16(built(biased)).one_picture


def test_casts_move_past_bias_activation_and_joining_so_that_kernels_can_be_fused() -> None:
    network = built(biased)
    halved = bfloat16(network)

    assert set(dtypes(halved, "BiasAdd", "ConcatV2")) == {BFLOAT16}
    assert operations(halved).count("Cast") == 2, "one into the first layer, one behind the last"
    assert change_db(network, halved) > 40


def test_a_network_without_convolutions_stays_float32() -> None:
    with pytest.raises(NotApplicableError, match="no float32 convolution"):
        bfloat16(built(lambda image: image * 2.0))


@pytest.mark.parametrize("build", [generator, batch_normalized, biased, called])
def test_bfloat16_uses_tensorflows_own_operations_and_answers_any_size(build: Callable[[Any], Any]) -> None:
    from tensorflow.python.framework import op_def_registry

    network = built(build)
    halved = bfloat16(network)
    picture = PICTURE[:1, :12, :8]

    assert all(op_def_registry.get(operation) is not None for operation in operations(halved))
    assert run(halved, picture).shape == run(network, picture).shape
    assert change_db(network, halved, picture) > 30


def test_the_same_network_is_rewritten_into_the_same_bytes() -> None:
    first, second = (bfloat16(built(generator)).graph_def for _ in range(2))

    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_the_plain_export_of_instance_norms_computes_the_same_for_any_batch() -> None:
    network = built(generator)
    fused, norms = fuse_instance_norms(network)

    assert norms == 4
    assert not fused.one_picture
    assert np.abs(run(network) - run(fused)).max() < 1e-5


@pytest.mark.parametrize("build", [biased, repeated, batch_normalized])
def test_a_network_without_instance_norm_is_exported_as_it_is(build: Callable[[Any], Any]) -> None:
    network = built(build)

    assert fuse_instance_norms(network) == (network, 0)


def test_half_precision_is_tried_only_where_the_host_is_fast_with_it() -> None:
    old, why_not = worth_trying(Host("Old CPU", 2, frozenset()))
    new, _ = worth_trying(Host("New CPU", 2, frozenset({"avx512_bf16"})))

    assert old == []
    assert new == ["bfloat16"]
    assert "bfloat16: this CPU (Old CPU) has neither AVX512-BF16 nor AMX" in why_not
