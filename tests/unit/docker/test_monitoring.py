"""Dashboard and alert rules speak of metrics that are sent, and every metric is on a panel or in a rule."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[3]
MONITORING = REPOSITORY / "docker" / "monitoring"
RULES = yaml.safe_load((MONITORING / "rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
PANELS = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))["panels"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]
RUNBOOK = (REPOSITORY / "docs" / "how-to" / "alerts.md").read_text(encoding="utf-8")
#: Prometheus' own, of every target.
OTHERS = {"up"}


def sent() -> set[str]:
    """The names of METRICS, read without Airflow, as statsd_mapping.yml turns them."""
    tree = ast.parse((REPOSITORY / "tendies_ops" / "operators" / "metrics.py").read_text(encoding="utf-8"))
    (metrics,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "METRICS"
    ]
    return {name.replace(".", "_") for name in ast.literal_eval(metrics)}


def named(expression: str) -> set[str]:
    without_labels = re.sub(r"\{[^}]*\}|by \([^)]*\)|\[[^]]*\]", "", expression)
    words = set(re.findall(r"[a-z_]{2,}", without_labels))
    return words - {"sum", "max", "increase", "time"}


def test_every_metric_is_on_a_panel_or_in_a_rule_and_nothing_else_is() -> None:
    assert set().union(*map(named, EXPRESSIONS)) - OTHERS == sent()


def test_the_mapping_turns_every_name_that_airflow_sends_into_the_one_that_is_asked_for() -> None:
    mappings = yaml.safe_load((MONITORING / "statsd_mapping.yml").read_text(encoding="utf-8"))["mappings"]
    for name in ("tendies.batch.done", "tendies.release.version"):
        (mapping,) = [one for one in mappings if re.fullmatch(one["match"].replace("*", "(.+)"), f"airflow.{name}")]
        last = name.rpartition(".")[2]
        assert mapping["name"].replace("$1", last) == name.replace(".", "_")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_page_in_the_runbook(rule: dict[str, dict[str, str]]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert (REPOSITORY / page).is_file()
    assert f"\n## {rule['alert']}\n" in RUNBOOK
    assert anchor == str(rule["alert"]).lower()
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_prometheus_reads_the_rules() -> None:
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))
    assert config["rule_files"] == ["/etc/tendies/rules.yml"]
