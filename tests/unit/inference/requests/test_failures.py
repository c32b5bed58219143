"""The decisions without I/O: packing, pacing, isolating."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tendies_ops.errors import (
    BadAnswerError,
    ModelServerError,
    RequestRefusedError,
    ServerSickError,
    ServerUnreachableError,
)
from tendies_ops.inference.ledger.outcomes import Found
from tendies_ops.inference.picture.picture import Part, Picture
from tendies_ops.inference.requests.failures import (
    NEW,
    RequestHistory,
    Step,
    after_failure,
    after_refusal,
    after_refused_control,
)
from tendies_ops.inference.requests.pacer import Pacer
from tendies_ops.inference.requests.packer import Packer, Request


def part(size_bytes: int = 10, size: tuple[int, int] = (1000, 100)) -> Part:
    found = Found("a.png", size_bytes, 1, "a")
    picture = Picture(found, 1, "", lambda answers: answers[0], [None], size_bytes)
    return Part(picture, 0, b"x" * size_bytes, size)


def sizes(requests: list[Request]) -> list[int]:
    return [len(request.parts) for request in requests]


def test_requests_are_filled_up_to_their_count() -> None:
    packer = Packer(4, 1 << 20, 100.0)
    assert sizes(packer.add([part() for _ in range(10)])) == [4, 4]
    assert sizes(packer.flush()) == [2]
    assert packer.flush() == []


def test_requests_are_filled_up_to_their_bytes_and_megapixels() -> None:
    assert sizes(Packer(99, 100, 100.0).add([part(size_bytes=40) for _ in range(6)])) == [2, 2]
    assert sizes(Packer(99, 1 << 20, 1.0).add([part(size=(1000, 400)) for _ in range(6)])) == [2, 2]


def test_one_part_beyond_every_limit_travels_alone() -> None:
    packer = Packer(99, 100, 1.0)
    full = packer.add([part(), part(size_bytes=5000, size=(10_000, 5000)), part()])
    assert sizes(full + packer.flush()) == [1, 1, 1]


def test_halves_keep_the_order() -> None:
    request = Request([part() for _ in range(5)])
    first, second = request.split()
    assert first.parts + second.parts == request.parts


def run_rounds(pacer: Pacer, rate_at: dict[int, float], rounds: int, now_s: float = 0.0) -> float:
    """Answer whole rounds at the rate that the server has at the pacer's limit."""
    for _ in range(rounds):
        for _ in range(max(4, 2 * pacer.limit)):
            rate = max(value for limit, value in rate_at.items() if limit <= pacer.limit)
            now_s += 1 / rate
            pacer.on_answer(1, now_s)
    return now_s


def test_concurrency_doubles_while_it_helps_and_stops_at_the_best_point() -> None:
    pacer = Pacer(upper=64)
    run_rounds(pacer, {1: 10.0, 2: 20.0, 4: 39.0, 8: 39.5}, 12)
    assert 3 <= pacer.limit <= 5


@pytest.mark.parametrize(("upper", "first"), [(64, 2), (2, 2), (1, 1)])
def test_two_requests_are_in_flight_from_the_start_where_they_may(upper: int, first: int) -> None:
    assert Pacer(upper=upper).limit == first


def test_what_was_best_before_is_begun_with_within_the_bounds() -> None:
    pacer = Pacer(upper=8)
    begun = []
    for best in (0, 5, 20):
        pacer.start_with(best)
        begun.append(pacer.limit)
    assert begun == [2, 5, 8]


def test_concurrency_never_passes_its_upper_bound() -> None:
    pacer = Pacer(upper=6)
    run_rounds(pacer, {n: 10.0 * n for n in range(1, 64)}, 30)
    assert pacer.limit == 6


def test_trouble_halves_and_pauses_ever_longer_up_to_ten_seconds() -> None:
    pacer = Pacer(upper=64, limit=16)
    pauses, now_s = [], 0.0
    for _ in range(9):
        pacer.on_trouble(now_s)
        pauses.append(pacer.not_before_s - now_s)
        now_s = pacer.not_before_s
    assert pacer.limit == 1
    assert 0.1 <= pauses[0] <= 0.2
    assert pauses[-1] >= 5.0
    assert max(pauses) <= 10.0
    pacer.on_answer(1, now_s)
    assert pacer.may_send(now_s)


def test_requests_that_fail_together_are_one_trouble() -> None:
    pacer = Pacer(upper=64, limit=16)
    for _ in range(8):
        pacer.on_trouble(0.0)
    assert pacer.not_before_s <= 0.2


REFUSED = RequestRefusedError("no", http_status=400, server_words="Invalid image")
CRASHED = ServerSickError("boom", http_status=500, server_words="internal")
BUSY = ServerSickError("full", http_status=503)
NOBODY = ServerUnreachableError("POST x: nobody listens there.", listens=False)


PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 246
JPEG = b"\xff\xd8\xff" + b"x" * 400
ITS_WORDS = "Invalid PNG data, size 254"


def refused(words: str, status: int = 400) -> RequestRefusedError:
    return RequestRefusedError("no", http_status=status, server_words=words)


def asked_until_settled(
    file: bytes,
    words: Callable[[RequestHistory], str],
    *,
    merges: bool | None = None,
    control_passes: bool = True,
) -> tuple[Step, list[RequestHistory]]:
    """Ask again and again as the history says; the server refuses each time."""
    history, asked = NEW, [NEW]
    for padding in range(1, 100):
        proved = history.needs_proof and control_passes
        error = refused(words(history))
        step, history = after_refusal(history, error, file=file, proved=proved, merges=merges, padding=padding)
        merges = step.merged or merges
        if step.action != "confirm":
            return step, asked
        assert history.alone
        asked.append(history)
    return Step("retry"), asked


def test_several_refused_pictures_are_split() -> None:
    assert after_refusal(NEW, REFUSED, file=None)[0].action == "split"


@pytest.mark.parametrize("merges", [True, False, None])
def test_a_picture_is_blamed_when_words_give_its_size_also_after_bytes_were_put_behind_it(merges: bool | None) -> None:
    step, asked = asked_until_settled(
        PNG, lambda history: f"Invalid PNG data, size {len(PNG) + history.padding}", merges=merges
    )
    assert (step.action, step.kind, len(asked)) == ("blame", "refused", 2)
    assert asked[1].padding > 0
    assert step.reason.endswith(ITS_WORDS), "the size that is told is that of the file itself"


@pytest.mark.parametrize(("merges", "rounds"), [(False, 4), (None, 8), (True, 20)])
def test_words_that_fit_any_picture_count_only_while_a_harmless_one_passes(merges: bool | None, rounds: int) -> None:
    step, asked = asked_until_settled(PNG, lambda _: "Invalid image", merges=merges)
    assert (step.action, len(asked)) == ("blame", rounds + 1)
    assert all(history.needs_proof for history in asked[1:])


def test_words_about_another_file_need_many_rounds_before_anybody_is_blamed() -> None:
    for words in ("Invalid PNG data, size 99", "Not a PNG or JPEG file: picture number 0 of this request."):
        step, asked = asked_until_settled(PNG, lambda _, words=words: words)  # type: ignore[misc]
        assert (step.action, len(asked)) == ("blame", 25)
    assert len(asked_until_settled(JPEG, lambda _: ITS_WORDS)[1]) == 25


def test_no_one_is_blamed_while_the_harmless_picture_is_refused_too() -> None:
    for words in ("Invalid PNG data, size 99", "Invalid image"):
        step, _ = asked_until_settled(JPEG, lambda _, words=words: words, control_passes=False)  # type: ignore[misc]
        assert step.action == "retry"


def test_a_picture_of_the_same_size_as_anothers_broken_one_is_not_blamed_for_it() -> None:
    """Another client sends a broken file of the same size all the time, and each request is merged with it."""
    step, asked = asked_until_settled(PNG, lambda _: ITS_WORDS, control_passes=False)
    assert step.action == "retry"
    assert any(history.padding for history in asked)


def test_words_that_change_from_time_to_time_come_to_an_end() -> None:
    said = iter(range(1000))
    step, asked = asked_until_settled(PNG, lambda _: f"error {next(said)}")
    assert (step.action, len(asked)) == ("blame", 25)


def test_a_picture_is_not_blamed_before_the_server_has_taken_any() -> None:
    history = NEW
    for _ in range(30):
        step, history = after_refusal(history, refused(ITS_WORDS), file=PNG, answered_before=False)
        assert step.action == "confirm"
        assert history.needs_proof


def test_a_harmless_picture_is_refused_several_times_before_the_run_is_given_up() -> None:
    def until_settled(error: RequestRefusedError, *, merges: bool) -> tuple[str, int]:
        history = NEW
        for times in range(1, 50):
            step, history = after_refused_control(history, error, file=PNG, merges=merges)
            if step.action != "confirm":
                return step.action, times
        return "never", 0

    assert until_settled(refused("no such input"), merges=False) == ("blame", 8)
    assert until_settled(refused("no such input"), merges=True) == ("blame", 20)
    assert until_settled(refused("Invalid PNG data, size 99"), merges=False) == ("never", 0)
    assert until_settled(refused("no", 403), merges=False) == ("stop", 8)


def test_no_access_is_asked_for_again_before_it_stops_the_run() -> None:
    step, history = after_refusal(NEW, refused("no", 403), file=None)
    assert (step.action, history.alone, history.needs_proof) == ("confirm", True, True)
    assert after_refusal(history, refused("no", 403), file=None, proved=True)[0].action == "split"


def test_a_request_too_large_for_a_proxy_is_split_and_then_said_so() -> None:
    error = refused("no", 413)
    assert after_refusal(NEW, error, file=None)[0].action == "split"
    history = NEW
    for _ in range(5):
        step, history = after_refusal(history, error, file=PNG, proved=history.needs_proof, merges=False)
    assert (step.action, step.kind) == ("blame", "too_large")


def actions(error: ModelServerError, *, count: int = 1, others: bool = False, times: int = 12) -> list[str]:
    seen: list[str] = []
    history = NEW
    for n in range(times):
        step, history = after_failure(history, error, parts=count, successes=n if others else 5)
        seen.append(step.action)
    return seen


def test_a_single_picture_that_the_server_fails_on_is_proved_alone() -> None:
    history = NEW
    for _ in range(2):
        _, history = after_failure(history, CRASHED, parts=1, successes=5)
    assert (history.alone, history.needs_proof) == (True, True)


def test_a_server_that_is_unhealthy_for_everyone_never_blames_a_picture() -> None:
    for error in (CRASHED, BUSY, NOBODY, BadAnswerError("garbage")):
        assert not {"blame", "split"} & set(actions(error))


def test_a_server_that_says_not_now_never_blames_a_picture_even_while_it_answers_others() -> None:
    for error in (BUSY, NOBODY):
        assert set(actions(error, others=True)) == {"retry"}


def test_a_picture_that_crashes_the_server_while_others_pass_is_blamed_after_several_tries() -> None:
    assert actions(CRASHED, others=True)[:4] == ["retry", "prove", "prove", "blame"]
    assert "split" in actions(CRASHED, count=4, others=True)[:2]


def test_a_request_that_took_too_long_is_halved_at_once() -> None:
    assert actions(ServerSickError("slow", http_status=504), count=8)[0] == "split"
    assert actions(ServerSickError("no answer within 60 s"), count=8)[0] == "split"
