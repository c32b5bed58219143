from __future__ import annotations

import socket

import pytest

from tendies_ops.dev.error import DevError
from tendies_ops.dev.ports import HOST, check_free, is_free
from tests.support.ports import free_port


def test_a_free_port_passes() -> None:
    port = free_port()
    check_free(port, what="Airflow", option="--port")
    assert is_free(port)


def test_a_port_in_use_is_one_sentence_that_names_who_wants_it_and_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DevError) as error:
            check_free(port, what="Airflow", option="--port")
    assert f"Airflow cannot use port {port} of 127.0.0.1" in str(error.value)
    assert "--port=" in str(error.value)
    assert "\n" not in str(error.value)
