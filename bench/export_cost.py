"""
What an export costs: a full-size CycleGAN generator (11.4 M weights, 45 MB, TF1 checkpoint, seeded random weights).

Compared with the least that anybody must do: restore it and call ``tf.saved_model.save``, in a process of its own.
The export also builds the contract, proves itself on golden images and digests every file. Peak memory is the largest
resident set of any process that took part.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.results import Row, as_table, write_result

ROUNDS = 5
BUILDER = Path(__file__).parents[1] / "tests" / "with_tensorflow" / "export" / "builders" / "cyclegan.py"
SPEC = f"""
model_name: full_size
source: {{checkpoint: checkpoint, builder: "{BUILDER}:generator"}}
contract:
  input: {{range: {{low: -1, high: 1}}, multiple_of: 4}}
  output: {{range: {{low: -1, high: 1}}}}
"""
MAKE = """
import sys, tensorflow as tf
sys.path.insert(0, sys.argv[1])
import cyclegan
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    tf.compat.v1.set_random_seed(1)
    cyclegan.generator(tf.compat.v1.placeholder(tf.float32, [None, None, None, 3]))
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.train.Saver().save(session, sys.argv[2] + "/model.ckpt-1", write_meta_graph=False)
"""
PLAIN = """
import sys, tensorflow as tf
sys.path.insert(0, sys.argv[1])
import cyclegan
network = tf.compat.v1.wrap_function(cyclegan.generator, [tf.TensorSpec([None, None, None, 3], tf.float32)])
reader = tf.train.load_checkpoint(sys.argv[2])
for variable in network.graph.variables:
    variable.assign(reader.get_tensor(variable.name.split(":")[0]))
module = tf.Module()
module.kept = network.graph.variables
module.serve = tf.function(lambda image: network(image), [tf.TensorSpec([None, None, None, 3], tf.float32)])
tf.saved_model.save(module, sys.argv[3], module.serve.get_concrete_function())
"""


@dataclass(frozen=True)
class Cost:
    """Of one process and all that it started."""

    elapsed_s: float
    cpu_s: float
    peak_bytes: int


def cost_of(command: list[str], log: Path) -> Cost:
    """Run a command to its end."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    started_s = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    elapsed_s = time.perf_counter() - started_s
    if status != 0:
        sys.exit(f"{command} ended with {status}: {log.read_text()[-2000:]}")
    return Cost(elapsed_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def measure(folder: Path) -> list[tuple[Cost, Cost]]:
    """Return rounds of (export, plain), each pair one after the other, in turn."""
    (folder / "checkpoint").mkdir()
    (folder / "spec.yaml").write_text(SPEC)
    python, code = sys.executable, str(BUILDER.parent)
    cost_of([python, "-c", MAKE, code, str(folder / "checkpoint")], folder / "log")
    pairs = []
    for number in range(ROUNDS):
        tendies = str(Path(python).with_name("tendies"))
        export = [tendies, "export", str(folder / "spec.yaml"), "--output", str(folder / f"export{number}")]
        plain = [python, "-c", PLAIN, code, str(folder / "checkpoint"), str(folder / f"plain{number}")]
        costs = {"plain": Cost(0, 0, 0), "export": Cost(0, 0, 0)}
        for which in ("plain", "export") if number % 2 else ("export", "plain"):
            costs[which] = cost_of(export if which == "export" else plain, folder / "log")
        pairs.append((costs["export"], costs["plain"]))
        print(f"round {number + 1}: {pairs[-1]}", flush=True)
    return pairs


FIGURES: dict[tuple[str, str, str], Callable[[Cost], float]] = {
    ("elapsed", "s", "<= 2.5"): lambda cost: cost.elapsed_s,
    ("processor time", "s", ""): lambda cost: cost.cpu_s,
    ("peak memory", "GB", "below 1.6 GB"): lambda cost: cost.peak_bytes / 1e9,
}


def main() -> None:
    """Measure and write the rows."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = measure(Path(folder))
    rows = [
        Row.of_rounds(
            f"export, {what}",
            unit,
            [(read(export), read(plain)) for export, plain in pairs],
            compared_with="restore and tf.saved_model.save",
            promise=promise,
        )
        for (what, unit, promise), read in FIGURES.items()
    ]
    write_result("export_cost", rows, rounds=ROUNDS)
    print(as_table(rows))


if __name__ == "__main__":
    main()
