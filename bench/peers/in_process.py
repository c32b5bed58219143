"""No server at all: the SavedModel called in this process, by two threads. What every server is measured against."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from model import load_model


def count_images(predict: object, batch: list[bytes], seconds: float, threads: int) -> float:
    """
    Predict for a while.

    :return: images per second.
    """
    done = [0] * threads
    started_s = time.perf_counter()

    def work(index: int) -> None:
        while time.perf_counter() - started_s < seconds:
            predict(batch)  # type: ignore[operator]
            done[index] += len(batch)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / (time.perf_counter() - started_s)


def main() -> None:
    """Say ``ready``, then answer every line ``<seconds> <threads> <batch size>`` with the images per second."""
    predict = load_model()
    picture = Path(sys.argv[1]).read_bytes()
    predict([picture])
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, threads, batch_size = line.split()
        rate = count_images(predict, [picture] * int(batch_size), float(seconds), int(threads))
        print(json.dumps(rate), flush=True)


if __name__ == "__main__":
    main()
