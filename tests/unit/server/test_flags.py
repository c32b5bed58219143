from __future__ import annotations

import pytest

from tendies_ops.errors import UsageError
from tendies_ops.server.flags import parse_flags
from tendies_ops.server.graph.servable import session_config
from tendies_ops.server.status_codes import StatusError


def test_flags_are_read_as_the_real_server_reads_them() -> None:
    line = parse_flags(
        ["--rest_api_port=8501", "--model_name=m", "--enable_batching", "--foo=1", "--model_base_path", "/x"]
    )
    assert (line.flags.rest_api_port, line.flags.model_name, line.flags.enable_batching) == (8501, "m", True)
    assert line.unknown == ("--foo=1", "--model_base_path", "/x")


@pytest.mark.parametrize(
    "flag", ["--ssl_config_file=x", "--grpc_socket_path=/s", "--enable_profiler", "--mixed_precision=bfloat16"]
)
def test_a_flag_that_is_not_implemented_is_refused_by_name(flag: str) -> None:
    with pytest.raises(UsageError, match=flag.split("=", maxsplit=1)[0]):
        parse_flags([flag])


def test_a_flag_that_is_not_implemented_may_be_turned_off() -> None:
    assert parse_flags(["--enable_profiler=false", "--ssl_config_file="]).unknown == ()


def test_a_flag_value_of_the_wrong_type_is_reported() -> None:
    with pytest.raises(StatusError, match="'abc' for flag --rest_api_port"):
        parse_flags(["--rest_api_port=abc"])


@pytest.mark.parametrize("text", ["8_501", "0x10", "1e3", "8501x", ""])
def test_a_number_that_the_real_server_rejects_is_rejected(text: str) -> None:
    with pytest.raises(StatusError, match="for flag --rest_api_port"):
        parse_flags([f"--rest_api_port={text}"])


def test_a_number_may_have_a_sign_and_surrounding_blanks() -> None:
    assert parse_flags(["--rest_api_port= +8501 "]).flags.rest_api_port == 8501


def test_session_threads_are_set_by_one_flag_or_two_separate_ones() -> None:
    together = session_config(parse_flags(["--tensorflow_session_parallelism=3"]).flags)
    assert together.inter_op_parallelism_threads == 3
    apart = session_config(parse_flags(["--tensorflow_intra_op_parallelism=2"]).flags)
    assert (apart.intra_op_parallelism_threads, apart.inter_op_parallelism_threads) == (2, 0)
    everything = [f"--tensorflow_{name}_parallelism=1" for name in ("session", "intra_op", "inter_op")]
    with pytest.raises(StatusError, match="You cannot configure all"):
        session_config(parse_flags(everything).flags)
