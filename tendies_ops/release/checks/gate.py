"""The gate: how far the candidate's golden images may differ from the live version's, by the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tendies_ops.errors import (
    BadAnswerError,
    ModelServerError,
    NotProvedError,
    ReleaseError,
    ReviewNeededError,
    UsageError,
)
from tendies_ops.release.release_report import reports_directory
from tendies_ops.release.replicas.ask import Patience
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.replicas.golden_images import GoldenImage
from tendies_ops.reports import write_contact_sheet
from tendies_ops.spec.release_spec import GateSpec

if TYPE_CHECKING:
    from tendies_ops.compare import ImageDifference


@dataclass(frozen=True)
class GateImage:
    """One golden image through both versions."""

    name: str
    difference: ImageDifference | None  #: None: they cannot be compared
    words: str = ""  #: why not


@dataclass(frozen=True)
class GateResult:
    """The result of a comparison at the gate."""

    live_version: int
    images: tuple[GateImage, ...]
    breaches: tuple[str, ...]
    contact_sheet: str = ""

    def summary(self) -> dict[str, Any]:
        """Return small JSON."""
        images = {i.name: i.difference.summary() if i.difference else {"not_compared": i.words} for i in self.images}
        sheet = {"contact_sheet": self.contact_sheet} if self.contact_sheet else {}
        return {"live_version": self.live_version, "images": images, "breaches": list(self.breaches), **sheet}


@dataclass(frozen=True)
class LiveAnswers:
    """The live version's answers to the candidate's golden images."""

    version: int
    pictures: Mapping[str, bytes | str]  #: golden name -> picture, or the reason why there is no picture


def ask_live_version(fleet: Fleet, golden: Sequence[GoldenImage], live_version: int | None) -> LiveAnswers | None:
    """
    Send the golden images to the live version on every replica, through REST; the first picture counts.

    :return: None: nothing serves, or the model's answers are not pictures, so there is nothing to compare.
    """
    if live_version is None or not _are_pictures(golden):
        return None
    return LiveAnswers(live_version, {image.name: _ask_any(fleet, live_version, image) for image in golden})


def check_limits(golden: Sequence[GoldenImage], gate: GateSpec) -> None:
    """
    Refuse limits on pictures for a model that does not return any.

    :raises UsageError: there is such a limit.
    """
    limits = [f"`gate.{name}`" for name in ("min_ssim", "max_change") if getattr(gate, name) is not None]
    if limits and not _are_pictures(golden):
        raise UsageError(
            f"{' and '.join(limits)} compares pictures, and this model does not return one picture for each. "
            "Remove it from the spec; `gate.review` asks for a review of any model."
        )


class Gate:
    """
    The gate of one release: owns what was found about candidate and live version, for the report.

    :param live: the live version's pictures; None: there is nothing to compare the candidate with.
    """

    def __init__(self, model_base_path: Path, options: GateSpec, live: LiveAnswers | None) -> None:
        self._base = model_base_path
        self._options = options
        self._live = live
        self.summary: Mapping[str, Any] = {}  #: small JSON, for the report

    def open(self, golden: Sequence[GoldenImage], *, model_digest: str, to_be_approved: bool) -> None:
        """
        Compare the candidate's promised pictures with the live version's, before anything is changed.

        The promise is what the exporter proved; that the replicas keep it is proved after the swap.

        :param to_be_approved: the spec asks for a review, and no one has approved the candidate.
        :raises ReleaseError: a limit of the spec is broken.
        :raises ReviewNeededError: the candidate has to be approved first.
        """
        sheet = ""
        if self._live is not None:
            result = compare_promises(self._base, self._live, golden, self._options, model_digest=model_digest)
            sheet = result.contact_sheet
            self._pass(result, f". Nothing was changed. Version {self._live.version} and the candidate: {sheet}")
        if to_be_approved:
            raise ReviewNeededError(
                f"The candidate needs a review first: {_where_to_look(self._live, golden, sheet)}. Nothing was "
                "changed. To release it, rerun with --approved-by NAME."
            )

    def check(self, answers: Mapping[str, bytes]) -> None:
        """
        Compare what a replica has answered after the swap with the live version's pictures.

        :param answers: golden name -> picture.
        :raises ReleaseError: a limit of the spec is broken.
        """
        if self._live is not None:
            self._pass(compare_with_live(self._live, answers, self._options), "")

    def _pass(self, result: GateResult, end: str) -> None:
        self.summary = {**self.summary, **result.summary()}
        if result.breaches:
            raise ReleaseError(f"The gate is closed: {'; '.join(result.breaches)}{end}")


def _where_to_look(live: LiveAnswers | None, golden: Sequence[GoldenImage], sheet: str) -> str:
    if live is not None:
        return f"version {live.version} and the candidate side by side are in {sheet}"
    if not _are_pictures(golden):
        return "there is no contact sheet, because the model does not return pictures"
    return "the candidate serves already, published without a release, and the version before is unloaded"


def _are_pictures(golden: Sequence[GoldenImage]) -> bool:
    return all(len(g.promised) == 1 and not any(g.is_tensor.values()) for g in golden)


def compare_promises(
    model_base_path: Path, live: LiveAnswers, golden: Sequence[GoldenImage], gate: GateSpec, *, model_digest: str
) -> GateResult:
    """Compare the exporter's promises with the live version's answers, and draw a contact sheet among the reports."""
    sheet = reports_directory(model_base_path) / f"gate-{model_digest.removeprefix('sha256:')[:12]}.png"
    promised = {image.name: next(iter(image.promised.values())) for image in golden}
    return compare_with_live(live, promised, gate, contact_sheet=sheet)


def compare_with_live(
    live: LiveAnswers, candidate: Mapping[str, bytes], gate: GateSpec, *, contact_sheet: Path | None = None
) -> GateResult:
    """
    Measure every image and compare it with the limits of the spec.

    :param candidate: golden name -> its picture.
    :param contact_sheet: path of a picture of live and candidate side by side; None: none is drawn.
    """
    images = tuple(_compare(name, live.pictures[name], candidate[name]) for name in candidate)
    breaches = tuple(words for image in images for words in _breaches(image, gate))
    if contact_sheet is None:
        return GateResult(live.version, images, breaches)
    pairs = [(_shown(live.pictures[image.name]), candidate[image.name], _caption(image)) for image in images]
    write_contact_sheet(pairs, contact_sheet)
    return GateResult(live.version, images, breaches, str(contact_sheet))


def _ask_any(fleet: Fleet, version: int, image: GoldenImage) -> bytes | str:
    def ask(server: str) -> bytes | str:
        try:
            [row] = Patience().ask(fleet.predictors[server], fleet.model_name, [image], version=version)
        except (ModelServerError, NotProvedError) as error:
            return str(error)
        return _only_picture(row)

    answers = list(fleet.each(ask).values())
    return next((answer for answer in answers if isinstance(answer, bytes)), answers[0])


def _only_picture(row: Any) -> bytes | str:
    """Return the picture of an answer; with one output, Model Server returns the bare value or an object."""
    value = next(iter(row.values())) if isinstance(row, dict) and len(row) == 1 else row
    return value if isinstance(value, bytes) else f"the answer is {type(value).__name__} and not a picture"


def _compare(name: str, live: bytes | str, candidate: bytes) -> GateImage:
    from tendies_ops.compare import compare_images  # brings NumPy, which most commands do without

    if isinstance(live, str):
        return GateImage(name, None, f"the live version gave no picture: {live}")
    try:
        return GateImage(name, compare_images(live, candidate))
    except BadAnswerError as error:
        return GateImage(name, None, str(error))


def _breaches(image: GateImage, gate: GateSpec) -> list[str]:
    if gate.min_ssim is None and gate.max_change is None:
        return []
    if image.difference is None:
        return [f"golden image {image.name} cannot be compared with the live version's ({image.words.rstrip('.')})"]
    found = []
    if gate.min_ssim is not None and not image.difference.ssim >= gate.min_ssim:
        found.append(f"golden image {image.name} has SSIM {image.difference.ssim:.3f}, below {gate.min_ssim:g}")
    if gate.max_change is not None and not image.difference.mean_abs <= gate.max_change:
        found.append(f"golden image {image.name} changed by {image.difference.mean_abs:.1f}, above {gate.max_change:g}")
    return found


def _shown(live: bytes | str) -> bytes:
    return live if isinstance(live, bytes) else b""


def _caption(image: GateImage) -> str:
    if image.difference is None:
        return f"{image.name}: not compared"
    return f"{image.name}: SSIM {image.difference.ssim:.2f}, change {image.difference.mean_abs:.1f} of 255"
