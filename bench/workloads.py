"""What the servers are measured on: SavedModels that tendies exports, and a picture for each."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.environments import ENVIRONMENTS

CHECKOUT = Path(__file__).parents[1]
MODEL_NAME = "style"
PATH = f"/v1/models/{MODEL_NAME}:predict"  #: every peer answers there too, so that one client drives them all


@dataclass(frozen=True)
class Workload:
    """One model, one picture, and how many of it go into a request."""

    name: str
    title: str
    model_base_path: Path  #: holds version 1
    picture: bytes
    batch_size: int

    @property
    def saved_model_dir(self) -> Path:
        """Where version 1 lies."""
        return self.model_base_path / "1"


def make_workloads(names: tuple[str, ...]) -> list[Workload]:
    """
    Export what is not there yet below ``.bench/models/``.

    :param names: of :data:`MAKERS`.
    """
    return [MAKERS[name]() for name in names]


def _nothing() -> Workload:
    return Workload("nothing", "almost nothing, 64x64 PNG", _export("nothing", _NOTHING), _noise_png(), 32)


def _tf_png() -> Workload:
    title = "almost nothing, 64x64 PNG at TensorFlow's compression"
    return Workload("tf_png", title, _export("tf_png", _TF_PNG), _noise_png(), 32)


def _stripes() -> Workload:
    spec = CHECKOUT / "examples" / "models" / "noise_to_stripes.yaml"
    return Workload("stripes", "CycleGAN 64x64 PNG", _export("stripes", spec), _noise_png(), 16)


def _style() -> Workload:
    spec = CHECKOUT / "examples" / "models" / "brush_strokes.yaml"
    return Workload("style", "photo style 256x256 JPEG", _export("style", spec), _photo_jpeg(), 4)


def _cyclegan() -> Workload:
    return Workload("cyclegan", "CycleGAN 256x256 JPEG", _export("cyclegan", _CYCLEGAN), _photo_jpeg(), 1)


MAKERS = {"nothing": _nothing, "tf_png": _tf_png, "stripes": _stripes, "style": _style, "cyclegan": _cyclegan}

_NOTHING = """\
model_name: nothing
source: {kind: keras, checkpoint: nothing.keras}
contract:
  input: {size: {height: 64, width: 64}}
"""
#: What ``tf.io.encode_png`` does unless told otherwise is zlib's level 6; a contract's own default is 1.
_TF_PNG = f"{_NOTHING}  output: {{png_compression: 6}}\n"
_CYCLEGAN = """\
model_name: cyclegan
source:
  kind: tf1_checkpoint
  checkpoint: cyclegan.ckpt
  builder: GENERATOR
  builder_arguments: {ngf: 64, residual_blocks: 9}
contract:
  input: {range: {low: -1.0, high: 1.0}, size: {height: 256, width: 256}, batch_size: 1}
  output: {range: {low: -1.0, high: 1.0}}
"""


def _export(name: str, spec: Path | str) -> Path:
    """Export version 1 of a workload's model, once. A spec given as text comes with weights made here."""
    from tendies_ops.export import export_model
    from tendies_ops.spec import load_spec

    base_path = ENVIRONMENTS / "models" / name
    if not (base_path / "1" / "saved_model.pb").is_file():
        if isinstance(spec, str):
            folder = ENVIRONMENTS / "sources"
            folder.mkdir(parents=True, exist_ok=True)
            generator = CHECKOUT / "examples" / "noise_to_stripes" / "model.py"
            path = folder / f"{name}.yaml"
            path.write_text(spec.replace("GENERATOR", f"{generator}:generator"), encoding="utf-8")
            _WEIGHTS[name](folder)
            spec = path
        base_path.mkdir(parents=True, exist_ok=True)
        export_model(load_spec(spec), base_path / "1")
    return base_path


def _write_nothing(folder: Path) -> None:
    import keras

    image = keras.Input((64, 64, 3))
    keras.Model(image, keras.layers.Rescaling(0.5)(image)).save(folder / "nothing.keras")


def _write_cyclegan(folder: Path) -> None:
    """Write a generator of full size with random weights: it costs what a trained one costs."""
    import tensorflow as tf

    from tendies_ops.export.sources.builder import load_builder

    tf1 = tf.compat.v1
    generator = load_builder(f"{CHECKOUT / 'examples' / 'noise_to_stripes' / 'model.py'}:generator")
    with tf1.Graph().as_default(), tf1.Session() as session:
        tf1.set_random_seed(1)
        generator(tf1.placeholder(tf.float32, (1, 256, 256, 3)), ngf=64, residual_blocks=9)
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(folder / "cyclegan.ckpt"), write_meta_graph=False)


_WEIGHTS = {"nothing": _write_nothing, "tf_png": _write_nothing, "cyclegan": _write_cyclegan}


def _noise_png() -> bytes:
    import numpy as np

    pixels = np.random.default_rng(1).normal(128, 38, (64, 64, 1)).clip(0, 255).astype(np.uint8)
    return _encoded(Image.fromarray(np.repeat(pixels, 3, axis=2)), "PNG")


def _photo_jpeg() -> bytes:
    import skimage

    photo = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    return _encoded(photo.resize((256, 256), Image.Resampling.LANCZOS), "JPEG", quality=90)


def _encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()
