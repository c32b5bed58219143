from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import (
    NotProvedError,
    ProofFailedError,
    PublishError,
    RequestRefusedError,
    ServerSickError,
)
from tendies_ops.release.checks.probe import SwapProbe
from tendies_ops.release.replicas.ask import Patience
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.replicas.golden_images import GoldenImage, neutral_inputs
from tendies_ops.release.replicas.prove import prove_version
from tendies_ops.spec.manifest import Manifest
from tests.support.candidates import picture
from tests.support.canned_server import Answer, CannedServer, Request, error_answer, predictions_answer

IMAGE = GoldenImage("noise", picture(1), {"output_bytes": picture(2)}, {"output_bytes": False})
RIGHT = predictions_answer([picture(2)])
FOREIGN = error_answer(400, f"Invalid PNG data, size {len(IMAGE.input) + 1}\n\t [[{{node DecodePng}}]]")
ITS_OWN = error_answer(400, f"Invalid PNG data, size {len(IMAGE.input)}\n\t [[{{node DecodePng}}]]")
OPEN = error_answer(400, "Could not find variable w")
WRONG_QUESTION = error_answer(
    400,
    "input size does not match signature: 1!=2 len({input_bytes}) != len({input_bytes,style}). Sent extra: {}. "
    "Missing but required: {style}.",
)


class Scripted:
    """Gives its answers one after the other, and the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.bodies: list[bytes] = []
        self.limit: int | None = None  #: rows of a full batch, which is answered for itself

    def __call__(self, request: Request) -> Answer:
        self.bodies.append(request.body)
        rows = len(json.loads(request.body)["instances"])
        if self.limit is not None and rows > self.limit:
            return error_answer(400, f"Task size {rows} is larger than maximum input batch size {self.limit}")
        if self.limit == rows:
            return predictions_answer([picture(2)] * rows)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return predictions_answer([picture(2)] * rows) if answer is RIGHT else answer


@pytest.fixture
def script() -> Scripted:
    return Scripted()


@pytest.fixture
def fleet(script: Scripted) -> Iterator[Fleet]:
    with CannedServer(script) as server, Fleet([server.url], "m") as made:
        yield made


def prove(fleet: Fleet) -> int:
    return len(prove_version(fleet, 7, (IMAGE,), tolerance=0))


@pytest.mark.parametrize("refusal", [FOREIGN, ITS_OWN, OPEN], ids=["foreign", "its own", "open"])
def test_one_answer_as_promised_proves_a_version_whatever_was_refused_before(
    script: Scripted, fleet: Fleet, refusal: Answer
) -> None:
    script.answers = [refusal, refusal, RIGHT]

    assert prove(fleet) == 1


def test_refusals_of_other_clients_pictures_are_asked_past_for_as_long_as_it_takes(
    script: Scripted, fleet: Fleet
) -> None:
    script.answers = [*[FOREIGN] * 15, RIGHT]

    assert prove(fleet) == 1


def test_a_batch_is_filled_where_other_clients_stand_in_the_way_of_every_request(
    script: Scripted, fleet: Fleet
) -> None:
    script.answers, script.limit = [FOREIGN], 5

    assert prove(fleet) == 1
    assert len(script.bodies) < 20


@pytest.mark.parametrize("refusal", [ITS_OWN, OPEN], ids=["its own", "open"])
def test_a_version_that_refuses_the_golden_image_again_and_again_has_failed_its_proof(
    script: Scripted, fleet: Fleet, refusal: Answer
) -> None:
    script.answers = [refusal]

    with pytest.raises(ProofFailedError) as caught:
        prove(fleet)
    assert type(caught.value) is ProofFailedError


def test_words_that_fit_any_picture_are_no_verdict_on_a_server_that_merges_requests(
    script: Scripted, fleet: Fleet
) -> None:
    script.answers = [FOREIGN, *[OPEN] * 9, RIGHT]

    assert prove(fleet) == 1


def test_refusals_of_other_clients_alone_are_no_verdict_in_the_end_either(script: Scripted, fleet: Fleet) -> None:
    script.answers = [FOREIGN]
    client = fleet.predictors[fleet.servers[0]]

    with pytest.raises(NotProvedError, match="every refusal was about other clients' pictures"):
        Patience(limit_s=0.3).ask(client, "m", [IMAGE], version=7)


def test_a_question_that_lacks_an_input_is_no_verdict_and_names_the_input(script: Scripted, fleet: Fleet) -> None:
    script.answers = [WRONG_QUESTION]

    with pytest.raises(NotProvedError, match="further inputs besides the picture: style"):
        prove(fleet)
    assert len(script.bodies) == 1


def test_a_server_that_cannot_answer_is_no_verdict(script: Scripted, fleet: Fleet) -> None:
    script.answers = [error_answer(503, "busy")]

    with pytest.raises(NotProvedError, match="busy"):
        prove(fleet)
    script.answers = [error_answer(503, "busy"), RIGHT]
    assert prove(fleet) == 1


def test_a_wrong_picture_is_a_verdict_at_once(script: Scripted, fleet: Fleet) -> None:
    script.answers = [predictions_answer([picture(3)])]

    with pytest.raises(ProofFailedError, match="differs from the promised one"):
        prove(fleet)
    assert len(script.bodies) == 1


def test_the_further_inputs_of_a_model_go_with_every_golden_image(script: Scripted, fleet: Fleet) -> None:
    image = GoldenImage("noise", picture(1), IMAGE.promised, IMAGE.is_tensor, {"style": 0.0})
    script.answers = [RIGHT]

    prove_version(fleet, 7, (image,), tolerance=0)

    [instance] = json.loads(script.bodies[0])["instances"]
    assert instance["style"] == 0.0
    assert instance["input_bytes"].keys() == {"b64"}


def manifest_with(dtype: str, shape: tuple[int, ...]) -> Manifest:
    inputs = {"input_bytes": {"dtype": "string", "shape": [-1]}, "style": {"dtype": dtype, "shape": list(shape)}}
    signature = {"method_name": "tensorflow/serving/predict", "inputs": inputs, "outputs": {}}
    return Manifest.model_validate(
        {
            "model_name": "m",
            "model_digest": "sha256:1",
            "files": {},
            "source": {"kind": "frozen_graph", "checkpoint": "net.pb", "digest": "sha256:0"},
            "signatures": {"serving_default": signature},
            "contract": {"extra_inputs": {"style": {"tensor": "style:0"}}},
            "created_at": "2026-11-22T16:00:00+00:00",
        }
    )


@pytest.mark.parametrize(
    ("dtype", "shape", "value"),
    [("int64", (-1,), 0), ("float32", (-1, 2), [0.0, 0.0]), ("bool", (-1, -1), [False]), ("string", (-1,), "")],
)
def test_a_further_input_gets_the_zeros_that_the_exporter_has_promised_with(
    dtype: str, shape: tuple[int, ...], value: object
) -> None:
    assert neutral_inputs(manifest_with(dtype, shape)) == {"style": value}


def test_a_further_input_that_rest_does_not_take_is_refused_by_name() -> None:
    with pytest.raises(PublishError, match=r"input `style`.*dtype float16.*Nothing was changed"):
        neutral_inputs(manifest_with("float16", (-1,)))


def probe_of(fleet: Fleet, script: Scripted, answers: list[Answer]) -> dict[str, object]:
    """The report of a probe whose first request passes, and whose next ones come after a rename."""
    script.answers = [RIGHT]
    with SwapProbe(fleet, fleet.servers, IMAGE) as probe:
        wait_for(lambda: len(script.bodies) > 0)
        probe.renamed()
        script.answers = answers
        asked = len(script.bodies)
        wait_for(lambda: len(script.bodies) > asked + 12)
    return probe.report()


def is_quiet(script: Scripted) -> bool:
    asked = len(script.bodies)
    time.sleep(0.3)
    return len(script.bodies) == asked


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("failure", "by_swap"),
    [(FOREIGN, False), (OPEN, False), (error_answer(503, "busy"), True)],
    ids=["another client's picture", "a refusal that passes", "no answer"],
)
def test_a_swap_is_charged_only_with_requests_that_are_not_other_clients(
    script: Scripted, fleet: Fleet, failure: Answer, by_swap: bool
) -> None:
    report = probe_of(fleet, script, [failure, RIGHT])

    assert report["failed"] == 1
    assert report["failed_by_swap"] == int(by_swap)
    assert report["failed_for_others"] == int(not by_swap)


def test_a_refusal_that_repeats_itself_is_charged_to_the_swap(script: Scripted, fleet: Fleet) -> None:
    report = probe_of(fleet, script, [OPEN])

    assert report["failed_by_swap"] == report["failed"]
    assert report["failed_for_others"] == 0


def test_a_replica_that_hangs_does_not_hold_up_the_end_of_the_probe(script: Scripted, fleet: Fleet) -> None:
    script.answers = [RIGHT]
    with SwapProbe(fleet, fleet.servers, IMAGE) as probe:
        wait_for(lambda: len(script.bodies) > 0)
        probe.renamed()
        script.answers = [Answer(delay_s=60.0)]
        wait_for(lambda: is_quiet(script))
        ended_s = time.monotonic()
    report = probe.report()

    assert time.monotonic() - ended_s < 20.0
    assert report["failed_by_swap"] == 1
    assert report["failures"] == ["not answered"]


def test_the_errors_of_the_client_pass_through(script: Scripted) -> None:
    with CannedServer(script) as server, ModelServerClient(server.url) as client:
        script.answers = [ITS_OWN]
        with pytest.raises(RequestRefusedError):
            Patience().ask(client, "m", [IMAGE], version=7)
        script.answers = [error_answer(503, "busy")]
        with pytest.raises(ServerSickError):
            Patience().ask(client, "m", [IMAGE], version=7)
