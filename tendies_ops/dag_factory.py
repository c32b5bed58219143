"""One model spec makes one release DAG and one batch DAG."""

from __future__ import annotations
