"""
The limit of a batch job: two threads that read, predict in a session of TensorFlow and write, and nothing else.

Arguments: the folder of pictures, the folder of results, how many pictures a call gets.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from folder import batches, files_below, write_result
from in_process import CALLERS_THREAD, load_session

THREADS = 2


def main() -> None:
    source, target, batch_size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    predict = load_session(os.environ["BENCH_SAVED_MODEL"], inter_op_threads=CALLERS_THREAD)

    def work(files: list[Path]) -> None:
        results = predict([file.read_bytes() for file in files])
        for file, result in zip(files, results, strict=True):
            write_result(target, file.relative_to(source), result)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, batches(files_below(source), batch_size)))


if __name__ == "__main__":
    main()
