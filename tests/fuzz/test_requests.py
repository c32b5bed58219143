"""Which pictures travel together, and how the bad ones among them are found."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from tendies_ops.errors import RequestRefusedError, ServerSickError
from tendies_ops.inference.ledger.outcomes import Found
from tendies_ops.inference.listing.shares import belongs_to_shard
from tendies_ops.inference.picture.picture import Part, Picture
from tendies_ops.inference.requests.failures import after_failure, after_refusal
from tendies_ops.inference.requests.pacer import Pacer
from tendies_ops.inference.requests.packer import Packer, Request

SIZES = st.tuples(st.integers(1, 64), st.integers(1, 64))
PARTS = st.lists(st.tuples(st.integers(0, 50), SIZES, st.integers(1, 3)), max_size=40)


def parts_of(pictures: list[tuple[int, tuple[int, int], int]]) -> list[list[Part]]:
    made = []
    for number, (size_bytes, size, count) in enumerate(pictures):
        found = Found(f"{number}.png", 1, 1, str(number))
        picture = Picture(found, 1, "", lambda answers: answers[0], [None] * count, 0)
        made.append([Part(picture, index, b"x" * size_bytes, size) for index in range(count)])
    return made


@given(PARTS, st.integers(1, 8), st.integers(1, 120), st.floats(0.00001, 0.01), st.booleans())
def test_every_part_travels_once_in_order_and_within_the_limits(
    pictures: list[tuple[int, tuple[int, int], int]], count: int, size_bytes: int, megapixels: float, by_size: bool
) -> None:
    packer = Packer(count, size_bytes, megapixels, by_size)
    requests = [request for parts in parts_of(pictures) for request in packer.add(parts)]
    requests += packer.flush()
    travelled = [(part.picture.found.path, part.index) for request in requests for part in request.parts]
    wanted = [(f"{n}.png", index) for n, (_, _, parts) in enumerate(pictures) for index in range(parts)]
    assert not packer.has_parts
    assert sorted(travelled) == sorted(wanted)
    assert by_size or travelled == wanted
    for request in requests:
        assert 1 <= len(request.parts) <= count
        assert not by_size or request.of_one_size
        if len(request.parts) > 1:
            assert sum(len(part.data) for part in request.parts) <= size_bytes
            assert request.megapixels <= megapixels * (1 + 1e-9)


@given(st.integers(1, 64), st.sets(st.integers(0, 63)))
def test_bad_pictures_are_found_and_no_good_one_is_blamed(count: int, bad: set[int]) -> None:
    bad &= set(range(count))
    waiting = [Request([parts[0] for parts in parts_of([(1, (8, 8), 1)] * count)])]
    blamed, answered, sent = set(), set(), 0
    while waiting:
        request = waiting.pop()
        numbers = {int(part.picture.found.path.removesuffix(".png")) for part in request.parts}
        sent += 1
        if not numbers & bad:
            answered |= numbers
            continue
        error = RequestRefusedError("no", http_status=400)
        step, request.history = after_refusal(
            request.history, error, file=request.only_file, proved=request.history.needs_proof, merges=False
        )
        if step.action == "blame":
            blamed |= numbers
        elif step.action == "confirm":
            waiting.append(request)
        else:
            assert step.action == "split"
            waiting += request.split()
    assert blamed == bad
    assert answered == set(range(count)) - bad
    asked_again = 4
    assert sent <= 1 + len(bad) * (asked_again + 2 * max(1, math.ceil(math.log2(count))))


@given(st.integers(2, 32), st.integers(0, 31), st.sampled_from([500, 504]))
def test_a_picture_that_the_server_fails_on_is_found_alone(count: int, bad: int, status: int) -> None:
    bad %= count
    waiting = [Request([parts[0] for parts in parts_of([(1, (8, 8), 1)] * count)])]
    blamed, successes, sent = set(), 0, 0
    while waiting and sent < 2000:
        request = waiting.pop()
        numbers = {int(part.picture.found.path.removesuffix(".png")) for part in request.parts}
        sent += 1
        successes += request.history.needs_proof  # the harmless one before it
        if bad not in numbers:
            successes += 1
            continue
        error = ServerSickError("no", http_status=status)
        step, request.history = after_failure(request.history, error, parts=len(request.parts), successes=successes)
        if step.action == "blame":
            blamed |= numbers
        elif step.action == "split":
            waiting += request.split()
        else:
            waiting.append(request)
    assert blamed == {bad}
    assert sent < 40 + 10 * math.ceil(math.log2(count))


@given(st.lists(st.integers(1, 9), max_size=30))
def test_a_request_is_cut_and_split_into_all_of_its_parts(sizes: list[int]) -> None:
    whole = Request([parts[0] for parts in parts_of([(1, (size, 8), 1) for size in sizes])])
    for pieces in (whole.cut(4), whole.split(), whole.split_by_size()):
        found = [part for piece in pieces for part in piece.parts]
        assert sorted(found, key=id) == sorted(whole.parts, key=id)


@given(st.integers(1, 16), st.lists(st.tuples(st.sampled_from(["answer", "trouble"]), st.floats(0, 20)), max_size=80))
def test_a_server_is_given_one_request_or_more_and_never_too_many(upper: int, events: list[tuple[str, float]]) -> None:
    pacer, now_s = Pacer(upper, _random=random.Random(1)), 0.0
    for event, later_s in events:
        now_s += later_s
        if event == "answer":
            pacer.on_answer(4, now_s)
            assert pacer.may_send(now_s)
        else:
            pacer.on_trouble(now_s)
        assert 1 <= pacer.limit <= upper
        assert pacer.not_before_s <= now_s + 10.0


@given(st.text(max_size=30), st.integers(1, 50))
def test_a_picture_belongs_to_one_shard(path: str, count: int) -> None:
    path = path.encode("utf-8", "replace").decode()
    assert sum(belongs_to_shard(path, index, count) for index in range(count)) == 1
