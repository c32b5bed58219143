"""Each variant is a plain SavedModel: TensorFlow alone loads it, the embedded server serves it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tendies_ops.client import ModelServerClient
from tendies_ops.export import export_model
from tendies_ops.spec import OptimizeSpec, load_spec
from tests.support.model_server import start_model_server

SPEC = Path(__file__).parents[3] / "examples" / "models" / "noise_to_stripes.yaml"
#: Of a process that knows TensorFlow and nothing of tendies.
LOADS = """
import pathlib, sys
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry
directory, picture = map(pathlib.Path, sys.argv[1:])
saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
for meta_graph in saved.meta_graphs:
    graph = meta_graph.graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    functions = {function.signature.name for function in graph.library.function}
    unknown = {node.op for node in nodes if op_def_registry.get(node.op) is None} - functions
    assert not unknown, unknown
signature = tf.saved_model.load(str(directory)).signatures["serving_default"]
[answer] = signature(input_bytes=tf.constant([picture.read_bytes()]))["output_bytes"].numpy()
assert not [name for name in sys.modules if name.startswith("tendies")]
sys.stdout.buffer.write(answer)
"""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_plain_tensorflow_and_the_server_give_the_same_picture(precision: str, tmp_path: Path) -> None:
    options = OptimizeSpec.model_validate({"precision": precision})
    exported = export_model(load_spec(SPEC).model_copy(update={"optimize": options}), tmp_path / "m" / "1")
    picture = exported.saved_model_dir / exported.manifest.golden[0].input

    command = [sys.executable, "-c", LOADS, str(exported.saved_model_dir), str(picture)]
    plain = subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, timeout=240).stdout
    with (
        start_model_server("--model_name=m", f"--model_base_path={tmp_path / 'm'}") as server,
        ModelServerClient(server.url) as client,
    ):
        [served] = client.predict_files("m", [picture.read_bytes()])

    assert exported.manifest.optimization is not None
    assert exported.manifest.optimization.chosen == precision
    assert served == plain
