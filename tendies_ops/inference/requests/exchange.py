"""The blocking work of the threads: prepare a chunk of files, send a request, write a result."""

from __future__ import annotations

import functools
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from tendies_ops import __version__
from tendies_ops.errors import ModelServerError, RequestRefusedError, ServerSickError, VersionGoneError
from tendies_ops.files import digest_bytes
from tendies_ops.inference.ledger.ledger import RunStamp
from tendies_ops.inference.ledger.outcomes import FailureKind, Found, Outcome, PictureError
from tendies_ops.inference.listing.other_files import has_other_extension
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.picture import Part, Picture
from tendies_ops.inference.picture.picture_parameters import Parameters, to_record
from tendies_ops.inference.picture.prepare import control_picture, open_upright, prepare
from tendies_ops.inference.plan import Todo
from tendies_ops.inference.requests.packer import Request
from tendies_ops.inference.requests.replica import Replica
from tendies_ops.inference.requests.threads import Turns
from tendies_ops.inference.results import Answers, ResultMaker
from tendies_ops.inference.results.outputs import check_picture
from tendies_ops.inference.storage.ignored import is_ignored
from tendies_ops.inference.storage.local import Input, Output
from tendies_ops.rest_api.predict import SharedInputs
from tendies_ops.spans import current_span, mark_failed, span

#: Node names in TensorFlow's messages, which are of no use without the graph.
_GRAPH_NODES = re.compile(r"\s*(?:\[\[)?\{\{\w+ [^}]*\}\}(?:\]\])?")
# Estimated memory of a picture: its bytes, their base64, the answer in base64 and decoded, each once.
_BYTES_HELD_PER_BYTE = 2.4
BYTES_HELD_PER_PIXEL = 7.2
# The largest answer that is read: some in any case, and for each pixel that was sent a picture four times as high and
# wide that does not compress, or a hundred numbers in JSON.
_ANSWER_BYTES = 32 << 20
_ANSWER_BYTES_PER_PIXEL = {False: 128, True: 1024}


@dataclass(slots=True)
class PreparedChunk:
    """Some files of the listing, read and prepared, in order."""

    number: int
    reserved_bytes: int
    ready: list[tuple[Picture, list[Part]]] = field(default_factory=list)
    settled: list[tuple[Outcome, int]] = field(default_factory=list)  #: outcomes that need no server, with the attempt
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Control:
    """A harmless picture: its answer distinguishes a bad picture from an unhealthy server."""

    file: bytes
    megapixels: float


@dataclass(slots=True)
class Answered:
    """The result of one request."""

    replica: Replica
    request: Request
    error: ModelServerError | None = None
    proof_failed: bool = False  #: the harmless request before or after it failed, so the result means nothing
    proved: bool = False  #: the harmless request before or after it was answered
    answers: list[Any] = field(default_factory=list)  #: whole files, or outputs by name
    milliseconds: float = 0.0


@dataclass(slots=True)
class Finished:
    """The outcomes of some pictures whose parts were all answered."""

    outcomes: list[tuple[Outcome, Picture]]


class Exchange:
    """The blocking work of a run. It has no mutable state, so every thread may use it."""

    def __init__(
        self,
        options: BatchOptions,
        stamp: RunStamp,
        folders: tuple[Input, Output],
        answers: Answers,
        parameters: Parameters,
    ) -> None:
        self.options = options
        self.stamp = stamp
        self.answers = answers
        self._source, self._target = source, target = folders
        self._turns = Turns(together=source.is_far or target.is_far)
        height, width = options.size or (64, 64)
        self._parameters = parameters
        self._span = current_span()  # of the run: requests are sent by threads
        self.control = Control(control_picture((height, width)), height * width / 1e6)
        # Numbers are of a still picture: its first frame.
        self._prepare_options = options if answers.kind == "picture" else options.replaced(animated="first")
        facts = {
            "model_name": stamp.model_name,
            "version": stamp.version,
            "model_digest": stamp.model_digest,
            "options_digest": stamp.options_digest,
            "options": options.digested(),
            "tendies": __version__,
            **answers.facts(),
        }
        self._results = ResultMaker(answers, options, facts)

    def read_ahead(self, chunk: Sequence[Todo]) -> None:
        """Start to read some files from a slow storage; they must be prepared next."""
        self._source.read_ahead(todo.found.path for todo in chunk if self._is_read_whole(todo.found))

    def prepare_chunk(self, number: int, chunk: Sequence[Todo], reserved_bytes: int) -> PreparedChunk:
        """Read and prepare some files."""
        work = functools.partial(self._prepare_chunk, number, chunk, reserved_bytes)
        return self._turns.take("prepare", len(chunk), work)

    def _prepare_chunk(self, number: int, chunk: Sequence[Todo], reserved_bytes: int) -> PreparedChunk:
        result = PreparedChunk(number, reserved_bytes)
        for todo in chunk:
            try:
                self._prepare_one(todo, result)
            except PictureError as error:  # noqa: PERF203 # one bad file costs one file
                if error.kind == "not_an_image" and has_other_extension(todo.found.path):
                    result.ignored += 1
                else:
                    result.settled.append((self._failed(todo.found, error), todo.attempt))
        return result

    def ask(self, replica: Replica, request: Request, control: Control) -> Answered:
        """
        Send one request.

        :param control: sent as well if the request needs a proof: before it, or, if that is harmless, in random order.
        """
        result = Answered(replica, request)
        sent = {"model": self.stamp.model_name, "server": replica.client.base_url, "pictures": len(request.parts)}
        with span("tendies.batch.request", parent=self._span, **sent) as seen:
            self._ask(result, control)
            if result.error is not None:
                mark_failed(seen, result.error)
        return result

    def _ask(self, result: Answered, control: Control) -> None:
        replica, request = result.replica, result.request
        history = request.history
        control_follows = history.needs_proof and history.proof_may_follow and secrets.randbits(1) == 1
        if history.needs_proof and not control_follows and not self._ask_control(result, control):
            return
        started_s = time.perf_counter()
        try:
            result.answers = self._predict(replica, request.files(), request.parameters(), request.megapixels)
        except ModelServerError as error:
            result.error = error
            if control_follows and isinstance(error, RequestRefusedError):
                self._ask_control(result, control)
            return
        result.milliseconds = (time.perf_counter() - started_s) * 1e3

    def _ask_control(self, result: Answered, control: Control) -> bool:
        """Send the harmless picture; if that fails, its error is the result's."""
        try:
            self._predict(result.replica, [control.file], [self._parameters.of_run], control.megapixels)
        except ModelServerError as error:
            result.error, result.proof_failed = error, True
            return False
        result.proved = True
        return True

    def finish(self, pictures: Sequence[Picture]) -> Finished:
        """Make and write the results of pictures whose parts are all answered."""
        work = functools.partial(self._finish_all, pictures)
        return Finished(list(zip(self._turns.take("finish", len(pictures), work), pictures, strict=True)))

    def explain_refusal(self, part: Part, kind: FailureKind, reason: str) -> Finished:
        """Find out why the model refused a file: it is damaged if it does not decode here either."""
        return Finished(self._turns.take("explain", 1, functools.partial(self._explain, part, kind, reason)))

    def _explain(self, part: Part, kind: FailureKind, reason: str) -> list[tuple[Outcome, Picture]]:
        picture, error = part.picture, PictureError(kind, _GRAPH_NODES.sub("", reason))
        try:
            open_upright(part.data, self.options)
        except PictureError as found:
            error = found
        return [(picture.failed(error.kind, error.reason), picture)]

    def _finish_all(self, pictures: Sequence[Picture]) -> list[Outcome]:
        return list(self._target.map(self._finish, pictures))

    def _predict(
        self, replica: Replica, files: Sequence[bytes], parameters: Sequence[Mapping[str, Any]], megapixels: float
    ) -> list[Any]:
        stamp = self.stamp
        of_values = self.answers.kind != "picture"
        max_bytes = _ANSWER_BYTES + int(megapixels * 1e6 * _ANSWER_BYTES_PER_PIXEL[of_values])
        inputs = self._parameters.pictures.inputs(parameters, shared=replica.takes_shared_inputs)
        address: dict[str, Any] = {"version": stamp.version, "max_answer_bytes": max_bytes, "inputs": inputs}
        try:
            if of_values:
                rows = replica.client.predict_rows(stamp.model_name, files, **address)
                return [self.answers.row(row) for row in rows]
            pictures = replica.client.predict_files(stamp.model_name, files, **address)
        except VersionGoneError as error:
            self._raise_if_it_comes_back(replica, error)
            raise
        except RequestRefusedError as error:
            if isinstance(inputs, SharedInputs) and replica.refuses_shared_inputs(error):
                return self._predict(replica, files, parameters, megapixels)
            raise
        for picture in pictures:
            check_picture(picture)
        return pictures

    def _raise_if_it_comes_back(self, replica: Replica, error: VersionGoneError) -> None:
        """Raise ServerSickError if the server is loading the pinned version, which is not gone then."""
        status = replica.client.version_statuses(self.stamp.model_name).get(self.stamp.version)
        if status is not None and (status.serves or status.loading):
            raise ServerSickError(f"{error} (its state is {status.state})", http_status=503) from error

    def _prepare_one(self, todo: Todo, result: PreparedChunk) -> None:
        if todo.found.problem:
            raise PictureError("unreadable", todo.found.problem)
        parameters = self._parameters.of(todo.found.path)
        data = self._read(todo.found)
        digest = digest_bytes(data)
        if todo.step == "compare" and todo.known is not None and todo.known.input_digest == digest:
            result.settled.append((todo.known, todo.attempt))
            return
        prepared = prepare(data, self._prepare_options)
        pixels = prepared.megapixels * 1e6 * len(prepared.parts)
        held_bytes = int(prepared.size_bytes * _BYTES_HELD_PER_BYTE + pixels * BYTES_HELD_PER_PIXEL)
        answers = [None] * len(prepared.parts)
        picture = Picture(
            todo.found, todo.attempt, digest, prepared.finish, answers, held_bytes, todo.replaces, prepared.windows
        )
        picture.note, picture.parameters = prepared.note, parameters
        parts = [Part(picture, index, part, prepared.size) for index, part in enumerate(prepared.parts)]
        result.ready.append((picture, parts))

    def _read(self, found: Found) -> bytes:
        try:
            if is_ignored(found, self._source):
                raise PictureError("not_an_image", "its content is not that of a picture")
            if found.size_bytes > self.options.max_file_bytes:
                limit = self.options.max_file_bytes
                raise PictureError("too_large", f"it has {found.size_bytes:,} bytes; the limit is {limit:,}")
            data = self._source.read(found.path)
            if len(data) != found.size_bytes:
                raise PictureError("unreadable", "it is still being written; the next run processes it")
        except OSError as error:
            raise PictureError("unreadable", f"it cannot be read: {error.strerror or error}") from error
        return data

    def _is_read_whole(self, found: Found) -> bool:
        too_large = found.size_bytes > self.options.max_file_bytes
        return not (found.problem or too_large or has_other_extension(found.path))

    def _finish(self, picture: Picture) -> Outcome:
        try:
            files = self._results.make(picture, picture.answers, functools.partial(self._reopen, picture))
            written_ns = [self._target.write(file.path, file.data) for file in files]
        except PictureError as error:
            return picture.failed(error.kind, error.reason)
        except MemoryError:
            return picture.failed("unwritable", "there is not enough memory to make its result")
        outputs = [file.path for file in files]
        for left in picture.replaces:
            if left not in outputs:
                self._target.remove(left)
        return Outcome(
            picture.found,
            "done",
            input_digest=picture.input_digest,
            output=outputs[0],
            output_digest=digest_bytes(files[0].data),
            output_size_bytes=len(files[0].data),
            output_modified_ns=written_ns[0],
            milliseconds=picture.milliseconds,
            batch_size=picture.batch_size,
            further_outputs=tuple(outputs[1:]),
            note=picture.note,
            parameters=to_record(picture.parameters),
        )

    def _failed(self, found: Found, error: PictureError) -> Outcome:
        parameters = self._parameters.recorded(found.path)
        return Outcome(found, "failed", error.kind, error.reason, parameters=parameters)

    def _reopen(self, picture: Picture) -> Image.Image:
        """Read the picture again: keeping its pixels in the meantime would cost more memory than this costs time."""
        data = self._read(picture.found)
        if digest_bytes(data) != picture.input_digest:
            raise PictureError("unreadable", "it was changed while the model worked on it")
        return open_upright(data, self.options)
