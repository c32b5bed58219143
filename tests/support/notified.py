"""What specs of tests name as notifiers and callbacks."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseNotifier


class Told(BaseNotifier):
    """Keeps what it was asked to send."""

    template_fields = ("text",)

    def __init__(self, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text

    def notify(self, context: Any) -> None:
        """Send."""


class ToldAsynchronously(Told):
    """Fit for the triggerer."""

    async def async_notify(self, context: Any) -> None:
        """Send."""


def call(context: Any, text: str = "") -> None:
    """Send."""


NOT_CALLABLE = 1
