from __future__ import annotations

import socket

import pytest

from examples.demo.errors import DemoError
from examples.demo.ports import HOST, check_free
from tests.support.ports import free_port


def test_a_free_port_is_returned() -> None:
    port = free_port()
    assert check_free(port, what="Airflow", option="PORT") == port


def test_a_port_in_use_is_one_sentence_that_names_who_wants_it_and_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DemoError) as error:
            check_free(port, what="Airflow", option="PORT")
    assert f"Airflow wants port {port} of 127.0.0.1" in str(error.value)
    assert "make demo PORT=" in str(error.value)
    assert "\n" not in str(error.value)
