"""Small sources of every kind, made once: one convolution, the same weights everywhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

BUILDERS = Path(__file__).parent / "builders" / "small.py"
WEIGHTS = np.random.default_rng(7).normal(0, 0.3, (3, 3, 3, 3)).astype(np.float32)
OFFSET = np.array([0.1, -0.2, 0.05], np.float32)


def make_small_sources(folder: Path) -> Path:
    """Write all of them below ``folder``."""
    write_tf1_checkpoint(folder / "tf1" / "model.ckpt-7")
    write_tf2_checkpoint(folder / "tf2" / "ck")
    _write_keras(folder)
    _write_graphs(folder)
    _write_saved_models(folder)
    return folder


def write_tf1_checkpoint(prefix: Path, *, weights: Any = WEIGHTS, version: int = 2, extra: bool = True) -> None:
    """``G/conv/weights`` and ``/offset``, and a discriminator's and an optimizer's variable."""
    import tensorflow as tf

    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        values = {"G/conv/weights": weights, "G/conv/offset": OFFSET}
        if extra:
            values |= {"D_Y/weights": np.zeros([2, 2], np.float32), "G/conv/weights/Adam": np.zeros_like(weights)}
        variables = {k: tf.compat.v1.get_variable(k, initializer=tf.constant(v)) for k, v in values.items()}
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(variables, write_version=version)
        saver.save(session, str(prefix), write_meta_graph=False)


def write_tf2_checkpoint(prefix: Path) -> None:
    """As a trainer saves it: the model under a name, an optimizer with slots next to it."""
    import keras
    import tensorflow as tf

    model = _load_builders().model()
    model.weights.assign(WEIGHTS)
    model.offset.assign(OFFSET)
    optimizer = keras.optimizers.Adam()
    optimizer.build([model.weights, model.offset])
    prefix.parent.mkdir(parents=True, exist_ok=True)
    tf.train.Checkpoint(generator=model, optimizer=optimizer).save(str(prefix))


def write_tf2_generators(prefix: Path, **weights: Any) -> None:
    """As a CycleGAN is saved: several networks of one build, each under its name."""
    import tensorflow as tf

    models = {name: _load_builders().model() for name in weights}
    for name, values in weights.items():
        models[name].weights.assign(values)
        models[name].offset.assign(OFFSET)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    tf.train.Checkpoint(**models).save(str(prefix))


def _write_keras(folder: Path) -> None:
    model = _load_builders().keras_model()
    model.layers[-1].set_weights([WEIGHTS, OFFSET])
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save_weights(folder / "only.weights.h5")


def _write_graphs(folder: Path) -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        image = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="image")
        _load_builders().graph(image)
        tf.io.write_graph(graph, str(folder), "graph.pbtxt", as_text=True)
        tf.io.write_graph(graph, str(folder), "graph.pb", as_text=False)
        tf.compat.v1.train.export_meta_graph(str(folder / "graph.meta"))
        reader = tf.train.load_checkpoint(str(folder / "tf1" / "model.ckpt-7"))
        for variable in tf.compat.v1.global_variables():
            variable.load(reader.get_tensor(variable.op.name), session)
        frozen = tf.compat.v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["G/conv/out"])
    tf.io.write_graph(frozen, str(folder), "frozen.pb", as_text=False)
    tf.io.write_graph(frozen, str(folder), "frozen.pbtxt", as_text=True)


def _write_saved_models(folder: Path) -> None:
    import tensorflow as tf

    model = _load_builders().model()
    model.weights.assign(WEIGHTS)
    model.offset.assign(OFFSET)
    specification = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    signature = tf.function(model.__call__).get_concrete_function(specification)
    tf.saved_model.save(model, str(folder / "saved_tf2"), signature)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        image = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="image")
        out = _load_builders().graph(image)
        reader = tf.train.load_checkpoint(str(folder / "tf1" / "model.ckpt-7"))
        for variable in tf.compat.v1.global_variables():
            variable.load(reader.get_tensor(variable.op.name), session)
        tf.compat.v1.saved_model.simple_save(session, str(folder / "saved_tf1"), {"image": image}, {"picture": out})


def copy_of(source: Path, target: Path) -> Path:
    """A copy to damage."""
    shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    return target


def _load_builders() -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location("small_builders", BUILDERS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
