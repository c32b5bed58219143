from __future__ import annotations

from tendies_ops.server.body_buffers import BodyBuffers


def test_a_buffer_is_used_again_for_a_body_of_about_its_size() -> None:
    buffers = BodyBuffers()
    first = buffers.take(1000)
    buffers.give(first)
    second = buffers.take(900)
    assert second is first
    assert len(second) == 900


def test_a_small_body_does_not_hold_a_large_buffer() -> None:
    buffers = BodyBuffers()
    large = buffers.take(100_000)
    buffers.give(large)
    assert buffers.take(10) is not large
    assert buffers.take(100_000) is large


def test_a_buffer_under_a_body_is_not_given_out_twice() -> None:
    buffers = BodyBuffers()
    buffers.give(buffers.take(1000))
    assert buffers.take(1000) is not buffers.take(1000)


def test_what_is_kept_is_bounded() -> None:
    buffers = BodyBuffers()
    huge = bytearray(2 << 20)
    buffers.give(huge)
    assert buffers.take(2 << 20) is not huge
    given = [bytearray(1000) for _ in range(20)]
    for buffer in given:
        buffers.give(buffer)
    taken = [buffers.take(1000) for _ in range(20)]
    assert sum(any(buffer is kept for buffer in given) for kept in taken) == 8
