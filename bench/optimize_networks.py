"""The networks that :mod:`bench.optimize` measures, and their variants, made below ``.bench/optimize/``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from bench.environments import ENVIRONMENTS
from tendies_ops.export.golden import GoldenImage
from tendies_ops.export.parity import Expectation, compare, expect
from tendies_ops.spec import Contract, ModelSpec, load_spec

_CHECKOUT = Path(__file__).parents[1]
_EXAMPLES = _CHECKOUT / "examples" / "models"
_REAL = _CHECKOUT / "tests" / "with_tensorflow" / "export" / "specs"  #: of models next to the checkout
_SIDE = 256
_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")

FLOAT32 = "float32"  #: as it is exported by default
FROZEN = "as frozen"  #: the source's own operations


@dataclass(frozen=True)
class Network:
    """One network and what is promised of its variants."""

    name: str
    spec_path: Path
    promises: dict[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> ModelSpec:
        """As it is there."""
        return load_spec(self.spec_path)

    @property
    def checkpoint(self) -> Path:
        """Where its weights are, if they are here."""
        return self.spec.source.local_checkpoint


NETWORKS = {
    network.name: network
    for network in (
        Network("noise_to_stripes", _EXAMPLES / "noise_to_stripes.yaml"),
        Network("brush_strokes", _EXAMPLES / "brush_strokes.yaml", {"bfloat16": ">= 1.8"}),
        Network("cyclegan_vintage", _REAL / "cyclegan_code.yaml", {"float32": ">= 1.07", "bfloat16": ">= 2.3"}),
        Network("fast_style", _REAL / "fast_style.yaml", {"float32": ">= 1.07", "bfloat16": ">= 2.0"}),
        Network("cartoongan_light", _REAL / "cartoongan_saved_model.yaml", {"bfloat16": ">= 1.8"}),
        Network("esrgan_slim_x2", _REAL / "esrgan.yaml", {"bfloat16": ">= 1.8"}),
    )
}


def golden_files(network: Network) -> tuple[Path, ...]:
    """Write what the prices are measured on: photographs, or noise for the network that eats it."""
    folder = ENVIRONMENTS / "optimize" / network.name / "golden"
    if network.spec.contract.input.size is not None:
        from examples.noise_to_stripes.make_noise import write_noise_pictures

        return tuple(write_noise_pictures(folder, len(_PHOTOS), 2018))
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_write_photo(name, folder) for name in _PHOTOS)


@dataclass(frozen=True)
class Made:
    """
    The variants of one network, and what its source answers.

    :param paths: variant -> model base path, the plain export first; :data:`FROZEN` only where that is another graph.
    :param expected: of the golden pictures.
    """

    paths: dict[str, Path]
    expected: list[Expectation]
    contract: Contract

    def far_from_source(self, answers: Sequence[bytes]) -> float:
        """Find the largest difference of picture files from what the source computes, of 255."""
        entries = [
            entry
            for expected, answer in zip(self.expected, answers, strict=True)
            for entry in compare(expected, {"output_bytes": np.array(answer, object)}, self.contract)
        ]
        return max(entry.max_abs for entry in entries)


def make_variants(network: Network) -> Made:
    """Write every variant as version 1 of a model of its own."""
    from tendies_ops.export.completion import complete_contract
    from tendies_ops.export.contract.signature import Plan, build_serving_graph
    from tendies_ops.export.optimize.norm_forms import fuse_instance_norms
    from tendies_ops.export.optimize.precisions import PRECISIONS
    from tendies_ops.export.savedmodel_files import write_saved_model
    from tendies_ops.export.sources.detect import open_source

    spec = network.spec
    source = open_source(spec.source, spec.contract)
    inputs, contract = source.inputs, complete_contract(spec.contract, source)
    made = Made({}, expect(source, _golden_images(network), contract, {}), contract)
    frozen = source.freeze()
    plain, norms = fuse_instance_norms(frozen)
    variants = {FLOAT32: plain, "bfloat16": PRECISIONS["bfloat16"].convert(plain)} | ({FROZEN: frozen} if norms else {})
    for name, variant in variants.items():
        made.paths[name] = ENVIRONMENTS / "optimize" / network.name / name
        shutil.rmtree(made.paths[name], ignore_errors=True)
        write_saved_model(build_serving_graph(Plan(variant, inputs, contract)), made.paths[name] / "1")
    return made


def _golden_images(network: Network) -> list[GoldenImage]:
    return [GoldenImage(path.stem, path.name, path.read_bytes()) for path in golden_files(network)]


def _write_photo(name: str, folder: Path) -> Path:
    """Cut the middle of a photograph that scikit-image brings along, as a JPEG of 256 x 256."""
    import skimage

    with Image.open(Path(skimage.__file__).parent / "data" / name) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        photo = image.convert("RGB").crop((left, top, left + side, top + side))
    path = folder / f"{Path(name).stem}.jpg"
    photo.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).save(path, quality=90)
    return path
