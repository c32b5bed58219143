from __future__ import annotations

from tendies_ops.server.prometheus import Metrics


def test_a_counter_and_a_histogram_are_written_as_prometheus_reads_them() -> None:
    metrics = Metrics()
    metrics.count("request_count", model_name='a"b', status="OK")
    metrics.count("request_count", model_name='a"b', status="OK")
    metrics.observe("request_latency", 20.0, model_name="m", API="predict", entrypoint="REST")
    lines = metrics.page().decode().split("\n")
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    assert ':tensorflow:serving:request_count{model_name="a\\"b",status="OK"} 2' in lines
    labels = 'model_name="m",API="predict",entrypoint="REST"'
    name = ":tensorflow:serving:request_latency"
    assert f'{name}_bucket{{{labels},le="18"}} 0' in lines
    assert f'{name}_bucket{{{labels},le="32.4"}} 1' in lines
    assert f'{name}_bucket{{{labels},le="+Inf"}} 1' in lines
    assert f"{name}_sum{{{labels}}} 20" in lines
    assert f"{name}_count{{{labels}}} 1" in lines


def test_model_names_that_clients_invent_do_not_fill_the_memory() -> None:
    metrics = Metrics()
    for number in range(12_000):
        metrics.count("request_count", model_name=f"made-up-{number}", status="NOT_FOUND")
    assert metrics.page().count(b"made-up-") == 10_000
