"""The networks that :mod:`bench.optimize` measures, and their variants, exported once below ``.bench/optimize/``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from bench.environments import ENVIRONMENTS
from tendies_ops.spec import ModelSpec, OptimizeSpec, load_spec
from tendies_ops.spec.optimize import RewriteName

_CHECKOUT = Path(__file__).parents[1]
_EXAMPLES = _CHECKOUT / "examples" / "models"
_REAL = _CHECKOUT / "tests" / "with_tensorflow" / "export" / "specs"  #: of models beside the checkout
_SIDE = 256
_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")

VARIANTS: dict[str, tuple[RewriteName, ...]] = {
    "float32": (),
    "fold": ("fold",),
    "fold+affine": ("fold", "affine"),
    "bfloat16": ("fold", "affine", "bfloat16"),
    "bfloat16+int8_weights": ("fold", "affine", "bfloat16", "int8_weights"),
}
#: The price is written down, not judged.
_NO_LIMITS = {"min_psnr_db": 1e-3, "min_ssim": -1.0, "max_seam": 255.0, "min_levels": 0.0}


@dataclass(frozen=True)
class Network:
    """One network and what is promised of its variants."""

    name: str
    spec_path: Path
    promises: dict[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> ModelSpec:
        """As it lies there."""
        return load_spec(self.spec_path)

    @property
    def checkpoint(self) -> Path:
        """Where its weights are, if they are here."""
        return self.spec.source.checkpoint


NETWORKS = {
    network.name: network
    for network in (
        Network("noise_to_stripes", _EXAMPLES / "noise_to_stripes.yaml"),
        Network("brush_strokes", _EXAMPLES / "brush_strokes.yaml"),
        Network("cyclegan_vintage", _REAL / "cyclegan_code.yaml", {"bfloat16": ">= 1.5"}),
        Network("fast_style", _REAL / "fast_style.yaml"),
        Network("cartoongan_light", _REAL / "cartoongan_saved_model.yaml"),
        Network("esrgan_slim_x2", _REAL / "esrgan.yaml"),
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


def export_variants(network: Network) -> dict[str, Path]:
    """
    Export what is not there yet.

    :return: variant -> model base path; one whose rewrites this network has no use for is left out.
    """
    from tendies_ops.export import export_model

    folder = ENVIRONMENTS / "optimize" / network.name
    golden = golden_files(network)
    found = {}
    for name, rewrites in VARIANTS.items():
        base_path = folder / name
        if not (base_path / "1" / "saved_model.pb").is_file():
            base_path.mkdir(parents=True, exist_ok=True)
            wanted = OptimizeSpec.model_validate({"rewrites": rewrites or "none", **_NO_LIMITS})
            spec = network.spec.model_copy(update={"golden": golden, "optimize": wanted})
            export_model(spec, base_path / "1", on_line=print)
        found[name] = base_path
    return found


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
