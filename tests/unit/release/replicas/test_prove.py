from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tendies_ops.errors import ProofFailedError, PublishError
from tendies_ops.release.checks.preconditions import check_promises
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.replicas.golden_images import GoldenImage
from tendies_ops.release.replicas.prove import prove_version
from tendies_ops.spec import read_manifest
from tests.support.candidates import make_candidate, picture, shift, to_png
from tests.support.canned_server import Answer, CannedServer, Request, predictions_answer, sent_files

BOXES = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]]


class Answers:
    """What the server says next."""

    def __init__(self) -> None:
        self.next: Answer = Answer()
        self.paths: list[str] = []

    def __call__(self, request: Request) -> Answer:
        self.paths.append(request.path)
        return self.next


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def fleet(answers: Answers) -> Iterator[Fleet]:
    with CannedServer(answers) as server, Fleet([server.url], "m") as made:
        yield made


def picture_golden() -> tuple[GoldenImage, ...]:
    return (GoldenImage("noise", picture(1), {"output_bytes": picture(2)}, {"output_bytes": False}),)


def detection_golden() -> tuple[GoldenImage, ...]:
    promised = {"boxes": json.dumps(BOXES).encode(), "count": b"2"}
    return (GoldenImage("street", picture(1), promised, {"boxes": True, "count": True}),)


def row(value: Any) -> Answer:
    return Answer(body=json.dumps({"predictions": [value]}).encode())


def test_the_promised_picture_from_that_very_version_is_a_proof(fleet: Fleet, answers: Answers) -> None:
    answers.next = predictions_answer([picture(2)])

    [proof] = prove_version(fleet, 7, picture_golden(), tolerance=0)

    assert (proof.images, proof.max_abs) == (1, 0)
    assert answers.paths == ["/v1/models/m/versions/7:predict"]


def test_a_difference_within_the_tolerance_is_reported_and_accepted(fleet: Fleet, answers: Answers) -> None:
    golden = (GoldenImage("grey", picture(1), {"o": to_png(_grey(100))}, {"o": False}),)
    answers.next = predictions_answer([to_png(_grey(102))])

    [proof] = prove_version(fleet, 7, golden, tolerance=2)

    assert proof.max_abs == 2
    with pytest.raises(ProofFailedError, match="by up to 2 of 255"):
        prove_version(fleet, 7, golden, tolerance=1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (predictions_answer([shift(picture(2), 9)]), "differs from the promised one"),
        (predictions_answer([picture(2, size=8)]), "differ in size: 16 x 16 and 8 x 8"),
        (predictions_answer([b"no picture"]), "not a whole picture"),
        (row([1.0, 2.0]), "is list, not a picture"),
        (Answer(400, b'{"error": "Could not find variable w"}'), "Could not find variable w"),
        (Answer(body=b"{"), "golden image noise"),
    ],
)
def test_anything_else_is_no_proof_and_is_named(fleet: Fleet, answers: Answers, answer: Answer, words: str) -> None:
    answers.next = answer

    with pytest.raises(ProofFailedError, match=words):
        prove_version(fleet, 7, picture_golden(), tolerance=2)


def test_named_tensors_are_compared_too(fleet: Fleet, answers: Answers) -> None:
    answers.next = row({"boxes": [[0.1000001, 0.2, 0.3, 0.4], BOXES[1]], "count": 2, "extra": 1})

    [proof] = prove_version(fleet, 7, detection_golden(), tolerance=2)

    assert 0 < proof.max_abs < 1e-5


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"boxes": [[0.9, 0.2, 0.3, 0.4], BOXES[1]], "count": 2}, "output boxes differs by 0.8"),
        ({"boxes": BOXES[:1], "count": 2}, r"shape \[1, 4\]; \[2, 4\] was promised"),
        ({"boxes": [[None, 0.2, 0.3, 0.4], BOXES[1]], "count": 2}, "output boxes differs"),
        ({"count": 2}, r"outputs \['boxes', 'count'\] were promised"),
        ([1, 2], "were returned"),
    ],
)
def test_other_tensors_are_no_proof(fleet: Fleet, answers: Answers, value: Any, words: str) -> None:
    answers.next = row(value)

    with pytest.raises(ProofFailedError, match=words):
        prove_version(fleet, 7, detection_golden(), tolerance=2)


def test_not_a_number_is_no_proof(fleet: Fleet, answers: Answers) -> None:
    answers.next = Answer(
        body=b'{"predictions": [{"boxes": [[NaN, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]], "count": 2}]}'
    )

    with pytest.raises(ProofFailedError):
        prove_version(fleet, 7, detection_golden(), tolerance=2)


def _grey(value: int) -> Any:
    import numpy as np

    return np.full((8, 8, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("unit", "max_abs", "fine"),
    [
        ("of_255", 1.0, True),
        ("of_255", 1.5, False),
        ("absolute", 1e-5, True),
        ("absolute", 0.1, False),
        ("of_255", float("nan"), False),
    ],
)
def test_a_manifest_whose_own_parity_broke_its_promise_is_refused(
    tmp_path: Path, unit: str, max_abs: float, fine: bool
) -> None:
    manifest = read_manifest(make_candidate(tmp_path / "a"))
    entry = manifest.parity[0].model_copy(update={"unit": unit, "max_abs": max_abs})
    told = manifest.model_copy(update={"parity": (entry,)})

    if fine:
        check_promises(tmp_path / "a", told)
        return
    with pytest.raises(PublishError, match="differs from its source"):
        check_promises(tmp_path / "a", told)


@pytest.mark.parametrize(("part", "words"), [("golden", "no golden images"), ("parity", "no parity results")])
def test_a_manifest_that_promises_nothing_is_refused(tmp_path: Path, part: str, words: str) -> None:
    manifest = read_manifest(make_candidate(tmp_path / "a")).model_copy(update={part: ()})

    with pytest.raises(PublishError, match=words):
        check_promises(tmp_path / "a", manifest)


def test_a_golden_image_without_an_answer_is_refused(tmp_path: Path) -> None:
    manifest = read_manifest(make_candidate(tmp_path / "a"))
    hollow = manifest.golden[1].model_copy(update={"outputs": {}})

    with pytest.raises(PublishError, match="promises nothing for golden image 1"):
        check_promises(tmp_path / "a", manifest.model_copy(update={"golden": (manifest.golden[0], hollow)}))


def test_a_picture_of_nan_is_no_proof(fleet: Fleet, answers: Answers) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.full((16, 16), np.nan, np.float32)).save(stream, "TIFF")
    answers.next = predictions_answer([stream.getvalue()])

    with pytest.raises(ProofFailedError, match="differs from the promised one"):
        prove_version(fleet, 7, picture_golden(), tolerance=255)


@pytest.mark.parametrize("swaps", [False, True])
def test_two_pictures_in_one_request_must_come_back_in_their_order(swaps: bool) -> None:
    promised = {picture(seed): picture(seed + 10) for seed in (1, 2)}
    golden = tuple(
        GoldenImage(str(n), sent, {"o": wanted}, {"o": False}) for n, (sent, wanted) in enumerate(promised.items())
    )

    def answer(request: Request) -> Answer:
        files = [promised[file] for file in sent_files(request)]
        return predictions_answer(files[::-1] if swaps else files)

    with CannedServer(answer) as server, Fleet([server.url], "m") as fleet:
        if swaps:
            with pytest.raises(ProofFailedError, match="0 is not answered in its place: the picture differs"):
                prove_version(fleet, 7, golden, tolerance=2)
        else:
            assert prove_version(fleet, 7, golden, tolerance=2)[0].images == 2
