"""The manifest: what a version is, where it came from and what it promises. It travels inside the version directory."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tendies_ops.errors import PublishError
from tendies_ops.files import digest_tree
from tendies_ops.files.digests import FileDigest
from tendies_ops.spec.contract import Contract

#: Its path below the version directory. TensorFlow Serving ignores what it does not know in ``assets.extra``.
MANIFEST_PATH = "assets.extra/tendies.json"
#: The directory of the golden inputs and the promised outputs.
GOLDEN_DIRECTORY = "assets.extra/tendies_golden"


class _Part(BaseModel):
    """An older tendies reads a newer manifest: unknown keys are kept out, not refused."""

    # Without pydantic's cache of strings, which takes 256 KiB at once and ends the process where memory lacks.
    model_config = ConfigDict(extra="ignore", frozen=True, cache_strings="none")


class FileEntry(_Part):
    """One file of the version."""

    sha256: str
    size_bytes: int


class SourceEntry(_Part):
    """The source of a version."""

    kind: str
    checkpoint: str
    digest: str
    step: int | None = None
    builder: str | None = None
    unused_variables: tuple[
        str, ...
    ] = ()  #: in the checkpoint, but not part of the graph (a discriminator, Adam's slots)


class TrustEntry(_Part):
    """The permissions of a version besides computing, and the operations of its graph."""

    code: bool = False  #: the spec let the source run the Python code that it holds
    allowed_operations: tuple[str, ...] = ()  #: that do more than compute, which the spec allowed
    operations: dict[str, int] = {}  #: every operation of the graph and its functions -> how often it is there

    @property
    def used(self) -> tuple[str, ...]:
        """The allowed operations that the graph has."""
        return tuple(name for name in self.allowed_operations if name in self.operations)


class TensorEntry(_Part):
    """One tensor of a signature. ``shape`` holds -1 for any; None is any rank."""

    dtype: str
    shape: tuple[int, ...] | None


class SignatureEntry(_Part):
    """One signature."""

    method_name: str
    inputs: dict[str, TensorEntry]
    outputs: dict[str, TensorEntry]


class GoldenEntry(_Part):
    """One golden image: a file to send and the answer that was promised, both relative to the version directory."""

    name: str
    input: str
    outputs: dict[str, str]  #: signature output -> file (encoded picture, or .json for a tensor)


class ParityEntry(_Part):
    """Source against export on one golden image and one output."""

    golden: str
    output: str
    against: Literal["saved_model", "server"] = "saved_model"
    unit: str  #: ``of_255`` for pictures, ``absolute`` for tensors
    max_abs: float
    mean_abs: float
    psnr_db: float | None  #: None: no difference at all


class PlausibilityEntry(_Part):
    """Evidence of the source's numbers for the golden images about the contract of one output."""

    output: str
    p1: float  #: 1st percentile, after the activation and ``add_mean`` where the output is pictures
    p99: float  #: 99th percentile
    outside: float | None = None  #: share of values outside the range by more than a tenth of its width; pictures only
    doubts: tuple[str, ...] = ()  #: why the contract cannot be right, as text; empty: nothing speaks against it
    untold: tuple[str, ...] = ()  #: statements of the contract that pictures neither confirm nor contradict


class CertificateEntry(_Part):
    """Distance of one picture of a variant from float32's."""

    picture: str  #: its path below the folder of photographs, or the golden image's name
    psnr_db: float | None  #: None: no difference at all
    ssim: float
    max_abs: float  #: of 255


class VariantEntry(_Part):
    """One form of the network that ``optimize`` tried. What was not measured or compared is None."""

    name: str  #: its precision
    passed: bool  #: loads, and holds the pixel gate
    why_not: str = ""  #: the reason why it was not taken
    size_bytes: int | None = None  #: of saved_model.pb
    images_per_second: float | None = None
    milliseconds: float | None = None  #: of one request, the median
    speedup: float | None = None  #: against float32, measured in the same rounds
    memory_bytes: int | None = None  #: of the server process that had it loaded, after the requests
    psnr_db: float | None = None  #: the least of all golden images and photographs; None: no difference at all
    ssim: float | None = None  #: the least
    max_abs: float | None = None  #: the largest, of 255
    seam: float | None = None  #: the largest mean step of a whole row or column that float32 has not, of 255
    levels: float | None = None  #: the least share of float32's different pixel values that is left
    sheet: str | None = None  #: float32, this and their difference side by side; relative to the version directory
    certificate: tuple[CertificateEntry, ...] = ()  #: photographs, else golden images; worst first


class OptimizationEntry(_Part):
    """The chosen form of the network, and the cost of every other one."""

    wanted: str  #: ``auto``, or the precision that was asked for
    chosen: str  #: name of a variant
    why: str  #: as text
    host: str  #: what the figures were measured on
    batch_size: int | None = None  #: pictures in a request
    requests_in_flight: int | None = None
    variants: tuple[VariantEntry, ...] = ()
    not_tried: tuple[str, ...] = ()  #: precisions that this network or host has no use for, each with the reason


class Manifest(_Part):
    """Everything about one version."""

    manifest_version: int = 1
    model_name: str
    model_digest: str  #: of all files but the manifest itself: the same content has the same digest
    files: dict[str, FileEntry]
    source: SourceEntry
    trust: TrustEntry | None = None  #: None: made by an older tendies
    signatures: dict[str, SignatureEntry]
    contract: Contract
    golden: tuple[GoldenEntry, ...] = ()
    parity: tuple[ParityEntry, ...] = ()
    plausibility: tuple[PlausibilityEntry, ...] = ()
    tolerance: float = 1.0
    tensor_tolerance: float = 1e-4
    optimization: OptimizationEntry | None = None  #: None: float32 as it came
    libraries: dict[str, str] = {}
    created_at: str  #: ISO 8601, UTC

    @property
    def doubts(self) -> tuple[str, ...]:
        """The reasons why the contract cannot be right, of all outputs."""
        return tuple(doubt for entry in self.plausibility for doubt in entry.doubts)


def read_manifest(version_dir: Path) -> Manifest:
    """
    Read the manifest of a SavedModel or version directory.

    :raises PublishError: it does not exist, or cannot be read.
    """
    path = version_dir / MANIFEST_PATH
    try:
        return parse_manifest(path.read_bytes())
    except FileNotFoundError:
        raise PublishError(
            f"{version_dir} has no {MANIFEST_PATH}, so nothing proves what it computes. Make it with `tendies export`."
        ) from None
    except (OSError, ValidationError) as error:
        raise PublishError(f"The manifest {path} cannot be read: {error}.") from error


def parse_manifest(text: bytes) -> Manifest:
    """
    Read a manifest; what a newer tendies wrote into it is left out, in its contract too.

    :raises ValidationError: it is not a manifest.
    """
    return Manifest.model_validate_json(text, extra="ignore")


def digest_version_files(version_dir: Path) -> dict[str, FileDigest]:
    """Digest every file of a version but its manifest."""
    return digest_tree(version_dir, keep=lambda name: name != MANIFEST_PATH)


def verify_files(version_dir: Path, manifest: Manifest) -> None:
    """
    Re-read every file against the manifest's digests.

    :raises PublishError: a file is missing, added or changed; the first few are named.
    """
    found = digest_version_files(version_dir)
    promised = {name: entry.sha256 for name, entry in manifest.files.items()}
    wrong = sorted(
        name
        for name in promised.keys() | found.keys()
        if promised.get(name) != getattr(found.get(name), "sha256", None)
    )
    if wrong:
        raise PublishError(
            f"{len(wrong)} of {len(promised)} files in {version_dir} differ from its manifest: "
            f"{', '.join(wrong[:5])}. "
            "The copy is damaged or was edited; export it again."
        )
