"""
Spans of OpenTelemetry around work that takes time, if it runs below a span already: in a task of Airflow with tracing.

Nothing is imported for it. A process without the library pays a look into a dictionary, and one with tracing off a
look at the span that does not record.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Parameters = ParamSpec("Parameters")
Made = TypeVar("Made")
_NO_SPAN: AbstractContextManager[None] = contextlib.nullcontext()


def current_span() -> Span | None:
    """Return the span that this thread is in; None: none records."""
    trace = sys.modules.get("opentelemetry.trace")
    found: Span | None = trace.get_current_span() if trace is not None else None
    return found if found is not None and found.is_recording() else None


def span(name: str, *, parent: Span | None = None, **attributes: Any) -> AbstractContextManager[Span | None]:
    """
    Return the context of a new span; without a span above it, that of none.

    An exception that leaves the context is recorded in the span.

    :param parent: the span above it, in other threads than the one that this span is of.
    :param attributes: facts about the work.
    """
    above = parent or current_span()
    if above is None:
        return _NO_SPAN
    trace: Any = sys.modules["opentelemetry.trace"]
    named = {f"tendies.{key}": value for key, value in attributes.items() if value is not None}
    context = trace.set_span_in_context(above)
    made: AbstractContextManager[Span] = trace.get_tracer("tendies").start_as_current_span(
        name, context=context, attributes=named
    )
    return made


def traced(name: str) -> Callable[[Callable[Parameters, Made]], Callable[Parameters, Made]]:
    """Put each call of a function into a span."""

    def decorate(function: Callable[Parameters, Made]) -> Callable[Parameters, Made]:
        @functools.wraps(function)
        def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Made:
            with span(name):
                return function(*args, **kwargs)

        return run

    return decorate


def mark_failed(failed: Span | None, error: Exception) -> None:
    """Record an error in a span whose context it does not leave."""
    if failed is not None:
        status: Any = sys.modules["opentelemetry.trace"]
        failed.record_exception(error)
        failed.set_status(status.Status(status.StatusCode.ERROR, str(error)))
