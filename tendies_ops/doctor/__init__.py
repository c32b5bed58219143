"""
Check everything that a release and a batch need, before one of them fails at night.

:mod:`.servers` asks the replicas, :mod:`.base_paths` checks the directory that they watch, :mod:`.folders` a
batch's folders. Nothing is changed but a scratch directory, which is removed again.
"""

from __future__ import annotations

from tendies_ops.doctor.examination import Subject, examine
from tendies_ops.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "Subject", "examine"]
