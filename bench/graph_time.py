"""
How TensorFlow's time for a request divides between decoding, the network and encoding, from its own trace.

    python -m bench.graph_time SAVED_MODEL PICTURE BATCH_SIZE ROUNDS

Prints the shares as JSON. One thread, so that what an operation lasts is what it costs.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PARTS = {"Decode": "decode the pictures", "Encode": "encode the results"}  #: by how the operation's name begins
NETWORK = "the network, and pixels to tensors and back"


def part_of(label: str) -> str | None:
    """
    Which part of the road an operation belongs to.

    :param label: TensorFlow's, such as ``map/while/DecodePng = DecodePng(...)``; None for what only moves control.
    """
    operation = label.partition(" = ")[2].partition("(")[0]
    if not operation or operation in {"While", "PartitionedCall", "StatefulPartitionedCall", "If", "_SOURCE", "NoOp"}:
        return None  # it lasts as long as what is called inside
    return next((part for start, part in PARTS.items() if operation.startswith(start)), NETWORK)


def shares_of(labels_and_us: Iterable[tuple[str, int]]) -> dict[str, float]:
    """Each part's share of the whole, 0..1."""
    spent: Counter[str] = Counter()
    for label, elapsed_us in labels_and_us:
        part = part_of(label)
        if part is not None:
            spent[part] += elapsed_us
    return {part: elapsed_us / spent.total() for part, elapsed_us in spent.items()}


def trace(saved_model: str, pictures: list[bytes], rounds: int) -> Iterable[tuple[str, int]]:
    """Run the model, and give each operation's label and microseconds."""
    import numpy as np
    import tensorflow as tf

    tf1 = tf.compat.v1
    config = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    with tf1.Session(graph=tf.Graph(), config=config) as session:
        signature = tf1.saved_model.load(session, ["serve"], saved_model).signature_def["serving_default"]
        feed = {signature.inputs["input_bytes"].name: np.array(pictures, object)}
        fetch = signature.outputs["output_bytes"].name
        session.run(fetch, feed)
        for _ in range(rounds):
            reported = tf1.RunMetadata()
            session.run(
                fetch, feed, options=tf1.RunOptions(trace_level=tf1.RunOptions.FULL_TRACE), run_metadata=reported
            )
            yield from _operations(reported)


def _operations(reported: Any) -> Iterable[tuple[str, int]]:
    for device in reported.step_stats.dev_stats:
        for node in device.node_stats:
            yield node.timeline_label, node.op_end_rel_micros - node.op_start_rel_micros


def print_shares() -> None:
    saved_model, picture, batch_size, rounds = sys.argv[1:]
    pictures = [Path(picture).read_bytes()] * int(batch_size)
    print(json.dumps(shares_of(trace(saved_model, pictures, int(rounds)))))


if __name__ == "__main__":
    print_shares()
