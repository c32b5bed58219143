"""The network with a head for every kind of output, in a container of every kind of source."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from tests.with_tensorflow.export.small_sources import OFFSET, WEIGHTS, write_tf1_checkpoint

BUILDERS = Path(__file__).parent / "builders" / "many_headed.py"
HEADS = (
    "picture",
    "labels",
    "logits",
    "score",
    "numbers",
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
)
#: container -> what its spec says of it, besides the folder
SOURCES: dict[str, dict[str, Any]] = {
    "tf1_checkpoint, builder": {"checkpoint": "tf1", "builder": "graph"},
    "tf1_checkpoint, .meta": {"checkpoint": "tf1", "graph": "graph.meta"},
    "tf1_checkpoint, GraphDef": {"checkpoint": "tf1", "graph": "graph.pb"},
    "tf1_checkpoint, V1 format": {"checkpoint": "old.ckpt", "builder": "graph"},
    "tf2_checkpoint": {"checkpoint": "tf2", "builder": "model"},
    "keras, .keras": {"checkpoint": "model.keras"},
    "keras, .h5": {"checkpoint": "model.h5"},
    "keras, weights alone": {"checkpoint": "only.weights.h5", "builder": "keras_model"},
    "frozen_graph": {"checkpoint": "frozen.pb"},
    "saved_model of TF1": {"checkpoint": "saved_tf1"},
    "saved_model of TF2": {"checkpoint": "saved_tf2"},
}


def source_in(folder: Path, name: str) -> dict[str, Any]:
    """The ``source`` of a spec. Graphs without a signature are told where their heads are."""
    source = dict(SOURCES[name])
    for key in ("checkpoint", "graph"):
        if key in source:
            source[key] = folder / source[key]
    if "builder" in source:
        source["builder"] = f"{BUILDERS}:{source['builder']}"
    if "graph" in source or name == "frozen_graph":
        source["output_tensors"] = {head: f"{head}:0" for head in HEADS}
    return source


def make_many_headed_sources(folder: Path) -> Path:
    """Write all of them below ``folder``."""
    builders = _load_builders()
    write_tf1_checkpoint(folder / "tf1" / "model.ckpt-7")
    write_tf1_checkpoint(folder / "old.ckpt", version=1, extra=False)
    _write_of_tf1(builders, folder)
    _write_of_tf2(builders, folder)
    _write_keras(builders, folder)
    return folder


def _write_of_tf1(builders: Any, folder: Path) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session() as session:
        image = v1.placeholder(tf.float32, [None, None, None, 3], name="image")
        outputs = builders.graph(image)
        tf.io.write_graph(graph, str(folder), "graph.pb", as_text=False)
        v1.train.export_meta_graph(str(folder / "graph.meta"))
        v1.train.Saver().restore(session, str(folder / "tf1" / "model.ckpt-7"))
        frozen = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), list(HEADS))
        v1.saved_model.simple_save(session, str(folder / "saved_tf1"), {"image": image}, outputs)
    tf.io.write_graph(frozen, str(folder), "frozen.pb", as_text=False)


def _write_of_tf2(builders: Any, folder: Path) -> None:
    import tensorflow as tf

    model = builders.model()
    model.weights.assign(WEIGHTS)
    model.offset.assign(OFFSET)
    tf.train.Checkpoint(model=model).save(str(folder / "tf2" / "ck"))
    image = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    tf.saved_model.save(model, str(folder / "saved_tf2"), tf.function(model.__call__).get_concrete_function(image))


def _write_keras(builders: Any, folder: Path) -> None:
    model = builders.keras_model()
    model.get_layer("conv").set_weights([WEIGHTS, OFFSET])
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save_weights(folder / "only.weights.h5")


def _load_builders() -> Any:
    spec = importlib.util.spec_from_file_location("many_headed_builders", BUILDERS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
