"""
No server at all: the SavedModel called in this process, by two threads. What every server is measured against.

Three ways to call it: as ``tf.saved_model.load`` gives it (``signature``), in a session of TensorFlow 1's interface
(``session``), which costs less a call, and in one that runs the graph on the thread that calls (``caller``).
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from model import INTER_OP_THREADS, INTRA_OP_THREADS, Predict, load_model

from bench.closed_loop import take_turns

CALLERS_THREAD = -1  # what ConfigProto takes for "no threads of your own"


def load_session(directory: str, *, inter_op_threads: int) -> Predict:
    """
    Load a SavedModel into a session.

    :return: picture files in, picture files out.
    """
    import numpy as np
    import tensorflow as tf

    tf1 = tf.compat.v1
    config = tf1.ConfigProto(
        intra_op_parallelism_threads=INTRA_OP_THREADS, inter_op_parallelism_threads=inter_op_threads
    )
    session = tf1.Session(graph=tf.Graph(), config=config)
    with session.graph.as_default():
        signature = tf1.saved_model.load(session, ["serve"], directory).signature_def["serving_default"]
    run = session.make_callable(signature.outputs["output_bytes"].name, [signature.inputs["input_bytes"].name])

    def predict(files: list[bytes]) -> list[bytes]:
        results: list[bytes] = run(np.array(files, object)).tolist()
        return results

    return predict


def main() -> None:
    """
    Say ``ready``, then answer every line ``<requests> <threads> <batch size>`` with the seconds they took.

    Arguments: the picture's file, ``signature``, ``session`` or ``caller``.
    """
    picture = Path(sys.argv[1]).read_bytes()
    inter_op_threads = {"session": INTER_OP_THREADS, "caller": CALLERS_THREAD}.get(sys.argv[2])
    saved_model_dir = os.environ["BENCH_SAVED_MODEL"]
    predict = load_session(saved_model_dir, inter_op_threads=inter_op_threads) if inter_op_threads else load_model()
    predict([picture])
    print("ready", flush=True)
    for line in sys.stdin:
        requests, threads, batch_size = map(int, line.split())
        print(take_turns(requests, threads, partial(_predict, predict, [picture] * batch_size)), flush=True)


def _predict(predict: Predict, batch: list[bytes], _lane: int) -> None:
    predict(batch)


if __name__ == "__main__":
    main()
