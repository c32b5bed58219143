"""One optimisation, inside the export's child process: make variants, compare their pixels, measure, choose."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tendies_ops.errors import ExportError, ModelServerError, ParityError, TendiesError
from tendies_ops.export.contract.signature import Plan, build_serving_graph
from tendies_ops.export.describe import Answers
from tendies_ops.export.golden import GoldenImage
from tendies_ops.export.network import FrozenNetwork, Input
from tendies_ops.export.optimize.choice import as_table, choose
from tendies_ops.export.optimize.host import Host, this_host
from tendies_ops.export.optimize.measuring import Load, compare_speed, find_load, pictures_to_send
from tendies_ops.export.optimize.network_graph import NotApplicableError
from tendies_ops.export.optimize.pixel_gate import (
    PixelPrice,
    certificate_lines,
    certificate_of,
    objection,
    price_of,
    worst_of,
)
from tendies_ops.export.optimize.precisions import FLOAT32, PRECISIONS, worth_trying
from tendies_ops.export.optimize.variants_sheet import write_sheet
from tendies_ops.export.savedmodel_files import ServedSignature, write_saved_model
from tendies_ops.spec import ModelSpec
from tendies_ops.spec.manifest import CertificateEntry, OptimizationEntry, VariantEntry

Say = Callable[[str], None]
AnswerGolden = Callable[[ServedSignature], Answers]
AnswerPhoto = Callable[[ServedSignature, GoldenImage], dict[str, Any]]
SHEETS_DIRECTORY = "assets.extra/tendies_optimize"
_SAVED_MODEL = "saved_model.pb"
_ROWS_IN_SHEET = 4


@dataclass(frozen=True)
class Draft:
    """
    An export in float32 that is written and proved.

    :param answers: of float32, one dict a golden image; what follows is ignored.
    :param photos: what variants are certified on, with float32's answers.
    """

    directory: Path
    spec: ModelSpec  #: with the completed contract
    network: FrozenNetwork
    inputs: Mapping[str, Input]
    golden: Sequence[GoldenImage]
    answers: Answers
    photos: Sequence[tuple[GoldenImage, dict[str, Any]]] = ()

    @property
    def makes_pictures(self) -> bool:
        """Return whether every answer is an image file, which the pixel gate can judge."""
        return all(isinstance(value, bytes) for answer in self.answers for value in answer.values())


def optimize(draft: Draft, answer_golden: AnswerGolden, answer_photo: AnswerPhoto, say: Say) -> OptimizationEntry:
    """
    Put the precision that the spec asks for in the place of the draft's ``saved_model.pb``, or leave float32 there.

    :param answer_golden: asks a variant what float32 was asked.
    :param answer_photo: asks it for one photograph.

    :raises ParityError: a precision was asked for by name and its pictures do not hold the gate.
    """
    workshop = _Workshop(draft, this_host(), (answer_golden, answer_photo), say)
    try:
        wanted = draft.spec.optimize.precision
        entry = workshop.try_all() if wanted == "auto" else workshop.take_named(wanted)
    finally:
        shutil.rmtree(workshop.folder, ignore_errors=True)
    say(entry.why)
    return entry


class _Workshop:
    """A folder below the draft with a model base path for each variant; gone before the manifest is written."""

    def __init__(self, draft: Draft, host: Host, ask: tuple[AnswerGolden, AnswerPhoto], say: Say) -> None:
        self.folder = draft.directory / "variants"
        self._draft, self._host, self._say = draft, host, say
        self._answer_golden, self._answer_photo = ask
        self._not_tried: tuple[str, ...] = ()

    def take_named(self, name: str) -> OptimizationEntry:
        """Take the precision that was asked for, whatever it brings."""
        try:
            entry = self._make(name)
        except NotApplicableError as error:
            self._leave_out([f"{name}: {error}"])
            return self._finish(FLOAT32, f"Kept float32: {name} cannot be made of this network: {error}.", [])
        if entry.why_not:
            raise ParityError(
                f"{name} changes the pictures too much: {entry.why_not}. Keep float32, or widen the limits below "
                "`optimize` in the spec."
            )
        return self._finish(name, f"Took {name}, as asked.", [entry])

    def try_all(self) -> OptimizationEntry:
        """Make, compare and measure what may help on this host."""
        if self._draft.spec.contract.extra_inputs:
            return self._finish(FLOAT32, "Kept float32: requests of models with further inputs are not measured.", [])
        if not self._draft.makes_pictures:
            return self._finish(FLOAT32, "Kept float32: the cost of a lower precision cannot be seen in numbers.", [])
        names, reasons = worth_trying(self._host)
        self._leave_out(reasons)
        entries = [entry for name in names if (entry := self._try(name)) is not None]
        if not entries:
            return self._finish(FLOAT32, f"Kept float32: {'; '.join(self._not_tried)}.", [])
        try:
            entries, load = self._measure(entries)
        except (ExportError, ModelServerError) as error:
            return self._finish(FLOAT32, f"Kept float32: nothing could be measured. {error}", entries)
        chosen, why = choose(entries, min_gain=self._draft.spec.optimize.min_gain)
        for line in as_table(entries):
            self._say(line)
        return self._finish(chosen, why, entries, load)

    def _leave_out(self, reasons: Sequence[str]) -> None:
        self._not_tried += tuple(reasons)
        for reason in reasons:
            self._say(f"Not tried: {reason}")

    def _try(self, name: str) -> VariantEntry | None:
        """Make a variant that was not asked for by name; one that does not run is not taken."""
        import tensorflow as tf

        try:
            return self._make(name)
        except NotApplicableError as error:
            self._leave_out([f"{name}: {error}"])
            return None
        except (TendiesError, ValueError, TypeError, tf.errors.OpError) as error:
            why_not = f"it does not run: {' '.join(str(error).split())[:300]}"
            return VariantEntry(name=name, passed=False, why_not=why_not)

    def _make(self, name: str) -> VariantEntry:
        """Write a variant, load it again, and compare its answers with those of float32."""
        directory = self.folder / name / "1"
        network = PRECISIONS[name].convert(self._draft.network)
        plan = Plan(network, self._draft.inputs, self._draft.spec.contract)
        write_saved_model(build_serving_graph(plan), directory)
        served = ServedSignature(directory)
        answers = self._answer_golden(served)
        price, why_not, certificate = self._judge(answers, served)
        for line in certificate_lines(name, certificate):
            self._say(line)
        return VariantEntry(
            name=name,
            passed=not why_not,
            why_not=why_not,
            size_bytes=(directory / _SAVED_MODEL).stat().st_size,
            sheet=self._draw(name, answers) if price else None,
            certificate=certificate,
            **(asdict(price) if price else {}),
        )

    def _judge(
        self, answers: Answers, served: ServedSignature
    ) -> tuple[PixelPrice | None, str, tuple[CertificateEntry, ...]]:
        draft = self._draft
        if not draft.makes_pictures:
            return None, _largest_change(draft.answers, answers, draft.spec.tensor_tolerance), ()
        names = [image.name for image in draft.golden]
        golden = [*_prices(names * (len(answers) // len(names)), draft.answers, answers)]  # alone, then in one batch
        photos = list(self._price_photos(served))
        price = worst_of([price for _, price in golden + photos])
        return price, objection(price, draft.spec.optimize), certificate_of(dict(photos or golden))

    def _price_photos(self, served: ServedSignature) -> Iterator[tuple[str, PixelPrice]]:
        for photo, reference in self._draft.photos:
            yield from _prices([photo.name], [reference], [self._answer_photo(served, photo)])

    def _draw(self, name: str, answers: Answers) -> str:
        path = f"{SHEETS_DIRECTORY}/{name}.png"
        rows = list(_pairs(self._draft.answers, answers))[:_ROWS_IN_SHEET]
        write_sheet(rows, self._draft.directory / path, title=name)
        return path

    def _measure(self, entries: list[VariantEntry]) -> tuple[list[VariantEntry], Load]:
        spec = self._draft.spec
        plain = self.folder / FLOAT32
        (plain / "1").mkdir(parents=True)
        shutil.copyfile(self._draft.directory / _SAVED_MODEL, plain / "1" / _SAVED_MODEL)
        files = pictures_to_send(self._draft.golden, spec)
        budget_s = spec.optimize.seconds_per_variant
        load = find_load(plain, files, self._host, max_batch_size=spec.batch.fixed("max_batch_size"), budget_s=budget_s)
        self._say(f"Measuring with {load.in_flight} requests of {load.batch_size} pictures at a time")
        reference = VariantEntry(
            name=FLOAT32, passed=True, size_bytes=(plain / "1" / _SAVED_MODEL).stat().st_size, ssim=1.0, max_abs=0.0
        )
        measured = [reference]
        for entry in entries:
            if not entry.passed:
                measured.append(entry)
                continue
            comparison = compare_speed(plain, self.folder / entry.name, load, self._host, budget_s=budget_s)
            measured[0] = _with_speed(reference, comparison.float32, 1.0)
            measured.append(_with_speed(entry, comparison.variant, comparison.speedup))
        return measured, load

    def _finish(
        self, chosen: str, why: str, entries: Sequence[VariantEntry], load: Load | None = None
    ) -> OptimizationEntry:
        if chosen != FLOAT32:
            (self.folder / chosen / "1" / _SAVED_MODEL).replace(self._draft.directory / _SAVED_MODEL)
        return OptimizationEntry(
            wanted=self._draft.spec.optimize.precision,
            chosen=chosen,
            why=why,
            host=self._host.describe(),
            batch_size=load.batch_size if load else None,
            requests_in_flight=load.in_flight if load else None,
            variants=tuple(entries),
            not_tried=self._not_tried,
        )


def _with_speed(entry: VariantEntry, speed: Any, speedup: float) -> VariantEntry:
    return entry.model_copy(
        update={
            "images_per_second": speed.images_per_second,
            "milliseconds": speed.milliseconds,
            "memory_bytes": speed.memory_bytes,
            "speedup": speedup,
        }
    )


def _pairs(references: Answers, answers: Answers) -> list[tuple[bytes, bytes]]:
    """Every picture of every golden image: float32's and the variant's."""
    return [
        (_file(reference[name]), _file(answer[name]))
        for reference, answer in zip(references, answers, strict=True)
        for name in reference
    ]


def _prices(names: Sequence[str], references: Answers, answers: Answers) -> Iterator[tuple[str, PixelPrice]]:
    """Give each picture the worst of all its outputs."""
    for name, reference, answer in zip(names, references, answers, strict=True):
        yield name, worst_of([price_of(_file(reference[output]), _file(answer[output])) for output in reference])


def _file(value: NDArray[Any] | bytes) -> bytes:
    return bytes(value)


def _largest_change(references: Answers, answers: Answers, tolerance: float) -> str:
    """Why numbers differ too much; empty: they do not."""
    from tendies_ops.export.parity import measure

    for reference, answer in zip(references, answers, strict=True):
        for name, value in reference.items():
            if getattr(value, "dtype", None) is None or value.dtype == object:
                continue
            change = measure("", name, "absolute", answer[name], value).max_abs
            if change > tolerance:
                return f"`{name}` differs by {change:g}, tensor_tolerance is {tolerance:g}"
    return ""
