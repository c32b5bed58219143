"""Graphs and SavedModels that try to touch a file named ``mark``, or read one that they have no business with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Name -> makes a source below a folder, given the file to touch; returns the ``source`` of a spec.
HOSTILE: dict[str, Callable[[Path, Path], dict[str, Any]]] = {}
Make = Callable[[Path, Path], dict[str, Any]]


def hostile(make: Make) -> Make:
    HOSTILE[make.__name__.replace("_", " ")] = make
    return make


def _saved(folder: Path, call: Callable[[Any], Any], model: Any = None) -> dict[str, Any]:
    import tensorflow as tf

    module = model or tf.Module()
    module.serve = tf.function(call, input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="image")])
    tf.saved_model.save(module, str(folder / "saved"), signatures={"serving_default": module.serve})
    return {"checkpoint": folder / "saved"}


def _frozen(folder: Path, build: Callable[[Any], Any], name: str = "net.pb") -> dict[str, Any]:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        build(tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="image"))
        tf.io.write_graph(graph, str(folder), name, as_text=name.endswith("txt"))
    return {"checkpoint": folder / name}


@hostile
def saved_model_that_writes(folder: Path, mark: Path) -> dict[str, Any]:
    import tensorflow as tf

    def call(image: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(str(mark), "x")]):
            return image * 0.5

    return _saved(folder, call)


@hostile
def saved_model_that_writes_in_the_body_of_a_loop(folder: Path, mark: Path) -> dict[str, Any]:
    import tensorflow as tf

    def inner(image: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(str(mark), "x")]):
            return image * 0.5

    called = tf.function(inner)

    def call(image: Any) -> Any:
        return tf.while_loop(lambda n, _: n < 2, lambda n, x: (n + 1, called(x)), [0, image])[1]

    return _saved(folder, call)


@hostile
def saved_model_that_reads_a_file_into_the_picture(folder: Path, mark: Path) -> dict[str, Any]:
    import tensorflow as tf

    return _saved(
        folder, lambda image: image + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
    )


@hostile
def saved_model_that_runs_python(folder: Path, mark: Path) -> dict[str, Any]:
    import tensorflow as tf

    def touch(image: Any) -> Any:
        mark.touch()
        return image

    def call(image: Any) -> Any:
        (result,) = tf.py_function(touch, [image], [tf.float32])
        return tf.ensure_shape(result, [None, None, None, 3])

    return _saved(folder, call)


@hostile
def saved_model_whose_restore_writes(folder: Path, mark: Path) -> dict[str, Any]:
    return _with_changed_restore(folder, mark, constant_name=False)


@hostile
def saved_model_that_restores_from_a_file_of_its_own_choice(folder: Path, mark: Path) -> dict[str, Any]:
    return _with_changed_restore(folder, mark, constant_name=True)


def _with_changed_restore(folder: Path, mark: Path, *, constant_name: bool) -> dict[str, Any]:
    """A SavedModel of TF1 whose operation that restores has one more thing to do."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        image = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="image")
        gain = tf.compat.v1.get_variable("gain", [3], initializer=tf.compat.v1.zeros_initializer())
        result = tf.identity(image * gain, name="result")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.io.write_file(tf.constant(str(mark), name="place"), "x", name="write")
        tf.compat.v1.saved_model.simple_save(session, str(folder / "saved"), {"image": image}, {"result": result})
    path = folder / "saved" / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (meta_graph,) = saved.meta_graphs
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    if constant_name:
        next(node for node in nodes.values() if node.op == "RestoreV2").input[0] = "place"
        for end in (".index", ".data-00000-of-00001"):
            shutil.copy(folder / "saved" / "variables" / f"variables{end}", f"{mark}-weights{end}")
        nodes["place"].attr["value"].tensor.string_val[:] = [f"{mark}-weights".encode()]
    else:
        nodes[meta_graph.saver_def.restore_op_name.partition(":")[0]].input.append("^write")
    path.write_bytes(saved.SerializeToString())
    return {"checkpoint": folder / "saved"}


@hostile
def frozen_graph_that_writes(folder: Path, mark: Path) -> dict[str, Any]:
    import tensorflow as tf

    def build(image: Any) -> None:
        with tf.control_dependencies([tf.io.write_file(str(mark), "x")]):
            tf.identity(image * 0.5, name="result")

    return {**_frozen(folder, build), "output_tensors": {"output": "result"}}


@hostile
def frozen_graph_that_writes_and_names_no_output(folder: Path, mark: Path) -> dict[str, Any]:
    return {"checkpoint": frozen_graph_that_writes(folder, mark)["checkpoint"]}


@hostile
def graph_as_text_whose_shape_is_read_from_a_file(folder: Path, mark: Path) -> dict[str, Any]:
    """To know the shape of the result, TensorFlow would read the file while it imports the graph."""
    import tensorflow as tf

    def build(image: Any) -> None:
        sizes = tf.io.decode_raw(tf.io.read_file(str(mark)), tf.int32)
        tf.reshape(image, tf.reshape(sizes[:4], [4]), name="result")

    return {**_frozen(folder, build, "net.pbtxt"), "output_tensors": {"output": "result"}}


@hostile
def graph_with_an_operation_that_nobody_knows(folder: Path, mark: Path) -> dict[str, Any]:
    (folder / "net.pbtxt").write_text(
        'node { name: "image" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }\n'
        'node { name: "result" op: "Custom>TouchFile" input: "image" }\n'
    )
    return {"checkpoint": folder / "net.pbtxt", "output_tensors": {"output": "result"}}


@hostile
def graph_that_prints_into_a_file(folder: Path, mark: Path) -> dict[str, Any]:
    import tensorflow as tf

    def build(image: Any) -> None:
        with tf.control_dependencies([tf.print("x", output_stream=f"file://{mark}")]):
            tf.identity(image * 0.5, name="result")

    return {**_frozen(folder, build), "output_tensors": {"output": "result"}}


@hostile
def checkpoint_of_tf1_whose_meta_file_writes(folder: Path, mark: Path) -> dict[str, Any]:
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        image = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="image")
        gain = tf.compat.v1.get_variable("gain", [3], initializer=tf.compat.v1.ones_initializer())
        with tf.control_dependencies([tf.io.write_file(str(mark), "x")]):
            tf.multiply(image, gain, name="result")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "model.ckpt"))
    return {"checkpoint": folder / "model.ckpt", "output_tensors": {"output": "result"}}
