"""Loading the SavedModel, the same way for every peer. Imported by files that run in the peers' own environments."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any

Predict = Callable[[list[bytes]], list[bytes]]

#: Two requests in flight, each on one thread, is what the networks run fastest with on two cores.
INTRA_OP_THREADS = 1
INTER_OP_THREADS = 2


def load_model(directory: str | None = None) -> Predict:
    """
    Load a SavedModel and run it once.

    :param directory: absent: the environment variable ``BENCH_SAVED_MODEL``.
    :return: picture files in, picture files out.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(INTRA_OP_THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(INTER_OP_THREADS)
    signature = tf.saved_model.load(directory or os.environ["BENCH_SAVED_MODEL"]).signatures["serving_default"]

    def predict(files: list[bytes]) -> list[bytes]:
        results: list[bytes] = signature(input_bytes=tf.constant(files))["output_bytes"].numpy().tolist()
        return results

    return predict


def files_of(request: dict[str, Any]) -> list[bytes]:
    """Take the files out of ``{"instances": [{"b64": ...}]}``."""
    return [base64.b64decode(instance["b64"]) for instance in request["instances"]]


def answer_of(files: list[bytes]) -> dict[str, Any]:
    """Make ``{"predictions": [{"b64": ...}]}``."""
    return {"predictions": [{"b64": base64.b64encode(file).decode("ascii")} for file in files]}
