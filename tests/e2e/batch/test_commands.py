"""`tendies batch` and `tendies replay` as a shell script calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.support.batch_bench import Bench
from tests.support.sample_pictures import png


def test_the_commands_speak_json_and_end_with_the_right_status(bench: Bench) -> None:
    bench.add("a.png", png(1))
    bench.add("broken.png", b"")
    code = "import sys; from tendies_ops.cli.main import main; sys.exit(main())"

    def call(*words: str) -> tuple[int, dict[str, object]]:
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--server", bench.server.url, "--json"],
            capture_output=True,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)

    status, summary = call("batch", "--model", "m", str(bench.input), str(bench.output))
    assert (status, summary["done"], summary["failed"]) == (3, 1, 1)
    assert call("batch", "--model", "m", "--max-failed", "0", str(bench.input), str(bench.output))[0] == 1
    assert call("batch", "--model", "m", "--size", "huge", str(bench.input), str(bench.output))[0] == 2
    status, outcome = call("replay", str(bench.output / "a.png"), "--input", str(bench.input))
    assert (status, outcome["verdict"]) == (0, "exact")


def test_words_in_colons_stay_what_they_are_in_a_path(bench: Bench) -> None:
    code = "import sys; from tendies_ops.cli.main import main; sys.exit(main())"
    words = ["batch", "--model", "m", "--server", bench.server.url, f"{bench.input}/:art:", str(bench.output)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/:art:" in done.stderr
