"""The speed of a variant against float32 through the embedded Model Server: both take turns, round by round."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from tendies_ops.export.golden import GoldenImage
from tendies_ops.export.optimize.host import Host
from tendies_ops.export.optimize.trial_server import trial_server
from tendies_ops.spec import ModelSpec

_LEAST_ROUNDS = 3
_MOST_ROUNDS = 15
#: A request of the batch client takes seconds at most where it may choose; one that takes longer measures no better.
_REQUEST_S = 1.5
_LEAST_REQUESTS = 12
#: Made golden images are small; a photograph is not.
_PHOTO_SIDE = 256


@dataclass(frozen=True)
class Load:
    """The load: requests of ``batch_size`` pictures, ``in_flight`` at a time."""

    files: tuple[bytes, ...]
    batch_size: int
    in_flight: int
    requests_each: int = 2  #: of a round, for each place in flight

    def request(self) -> list[bytes]:
        """Return the pictures of one request."""
        return [self.files[number % len(self.files)] for number in range(self.batch_size)]


@dataclass(frozen=True)
class Speed:
    """Figures of one side of a comparison: medians of the rounds."""

    images_per_second: float
    milliseconds: float  #: of one request
    memory_bytes: int


@dataclass(frozen=True)
class Comparison:
    """Float32 and a variant, measured together."""

    float32: Speed
    variant: Speed
    speedup: float  #: the median of the rounds' ratios


def pictures_to_send(golden: Sequence[GoldenImage], spec: ModelSpec) -> tuple[bytes, ...]:
    """Take the golden images that were given; of made ones, for a model of any size, one as large as a photograph."""
    if spec.golden or spec.contract.input.size is not None:
        return tuple(image.data for image in golden)
    with Image.open(io.BytesIO(golden[0].data)) as image:
        photo = image.convert("RGB").resize((_PHOTO_SIDE, _PHOTO_SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=90)
    return (buffer.getvalue(),)


def find_load(
    model_base_path: Path, files: tuple[bytes, ...], host: Host, *, max_batch_size: int, budget_s: float = 20.0
) -> Load:
    """
    Choose the batch size as the batch client does: as many as in its spec, fewer if a request would take long.

    :param model_base_path: of float32.
    :param budget_s: how long a variant is measured: a request must fit into it several times.
    """
    with trial_server(model_base_path, host) as server:
        server.predict(files[:1])
        started_s = time.perf_counter()
        server.predict(files[:1])
        elapsed_s = time.perf_counter() - started_s
    affordable = int(min(_REQUEST_S, budget_s / _LEAST_REQUESTS) / elapsed_s)
    return Load(files, max(1, min(max_batch_size, affordable)), host.cpus)


def compare_speed(float32: Path, variant: Path, load: Load, host: Host, *, budget_s: float) -> Comparison:
    """
    Measure both in turns for about ``budget_s`` seconds, at least three rounds.

    :param float32: model base path of the plain export.
    :param variant: model base path of the variant.
    :raises ExportError: a server does not start.
    :raises ModelServerError: a request fails.
    """
    rounds: list[tuple[Round, Round]] = []
    with trial_server(float32, host) as first, trial_server(variant, host) as second:
        for server in (first, second):
            one_round(server, load)  # the first requests pay for what is prepared once
        deadline_s = time.monotonic() + budget_s
        while len(rounds) < _MOST_ROUNDS and (len(rounds) < _LEAST_ROUNDS or time.monotonic() < deadline_s):
            if len(rounds) % 2:
                later = one_round(second, load)
                rounds.append((one_round(first, load), later))
            else:
                rounds.append((one_round(first, load), one_round(second, load)))
        memory = first.memory_bytes, second.memory_bytes
    ratios = [after.images_per_second / before.images_per_second for before, after in rounds]
    return Comparison(
        _median([before for before, _ in rounds], memory[0]),
        _median([after for _, after in rounds], memory[1]),
        statistics.median(ratios),
    )


@dataclass(frozen=True)
class Round:
    """Figures of one burst of requests."""

    images_per_second: float
    request_s: tuple[float, ...]


class Predictor(Protocol):
    """The side that answers requests: a server, or a model in this process."""

    def predict(self, files: Sequence[bytes]) -> Sequence[Any]:
        """Answer one request."""


def one_round(server: Predictor, load: Load) -> Round:
    """Send a round of requests, and time each."""

    def timed(files: list[bytes]) -> float:
        started_s = time.perf_counter()
        server.predict(files)
        return time.perf_counter() - started_s

    requests = [load.request() for _ in range(load.requests_each * load.in_flight)]
    started_s = time.perf_counter()
    with ThreadPoolExecutor(load.in_flight) as senders:
        request_s = tuple(senders.map(timed, requests))
    return Round(len(requests) * load.batch_size / (time.perf_counter() - started_s), request_s)


def _median(rounds: Sequence[Round], memory_bytes: int) -> Speed:
    times_s = [seconds for one in rounds for seconds in one.request_s]
    return Speed(
        statistics.median(one.images_per_second for one in rounds), 1000 * statistics.median(times_s), memory_bytes
    )
