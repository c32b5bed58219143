"""The one list of states: each is an icon, a word and a colour, on every page."""

from __future__ import annotations

from markupsafe import Markup

from tendies_ops.web.sources.server_states import ReplicaState
from tendies_ops.web.views.models_view import ModelPicture, VersionRow

_ICONS = {
    "check": "M20 6 9 17l-5-5",
    "pulse": "M22 12h-4l-3 9L9 3l-3 9H2",
    "person": "M20 21a8 8 0 0 0-16 0M12 13a5 5 0 1 0 0-10 5 5 0 0 0 0 10",
    "warning": "M12 3 2 20h20L12 3zM12 10v4M12 17v.5",
    "cross": "M6 6l12 12M18 6 6 18",
    "dash": "M6 12h12",
    "back": "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
    "square": "M6 6h12v12H6z",
    "dots": "M6 12h.1M12 12h.1M18 12h.1",
    "search": "M21 21l-4.3-4.3M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14",
    "picture": "M3 5h18v14H3zM3 16l5-5 5 5 3-3 5 4M15.5 9v.5",
    "play": "M7 4v16l13-8z",
    "file": "M6 3h9l4 4v14H6zM14 3v5h5",
}
#: State -> colour (a class of the style sheet), icon, word.
_STATES = {
    "serving": ("ok", "check", "Serving"),
    "released": ("ok", "check", "Released"),
    "done": ("ok", "check", "Done"),
    "running": ("run", "pulse", "Running"),
    "loading": ("run", "pulse", "Loading"),
    "waiting": ("wait", "person", "Waiting for approval"),
    "some failed": ("part", "warning", "Some failed"),
    "mixed": ("part", "warning", "Replicas differ"),
    "partial": ("part", "warning", "Some replicas are down"),
    "unproved": ("part", "warning", "No version in service"),
    "failed": ("fail", "cross", "Failed"),
    "down": ("fail", "cross", "Down"),
    "no answer": ("fail", "cross", "No answer"),
    "skipped": ("skip", "dash", "Skipped"),
    "rolled back": ("gone", "back", "Rolled back"),
    "withdrawn": ("gone", "back", "Withdrawn"),
    "rejected": ("gone", "back", "Rejected"),
    "stopped": ("stop", "square", "Stopped"),
    "dry run": ("none", "dash", "Dry run"),
    "kept": ("none", "dash", "Kept"),
    "removed": ("none", "dash", "Removed"),
    "not loaded": ("none", "dash", "Not loaded"),
    "older": ("gone", "back", "Done by an older version"),
    "missing": ("none", "dash", "Not made"),
    "unknown": ("none", "dash", "No replica is known"),
    "unreleased": ("none", "dash", "Not released yet"),
    "not reached": ("none", "dots", "Not reached"),
}
EVENTS = {
    "released": "released",
    "rolled_back": "released",
    "restored": "released",
    "published": "loading",
    "withdrawn": "withdrawn",
    "rejected": "rejected",
    "failed": "failed",
    "removed": "removed",
}  #: event of the history -> state


def icon(name: str) -> Markup:
    """Draw an icon; the words next to it have the meaning."""
    return Markup('<svg class="i" viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>').format(_ICONS[name])


def pill(state: str, words: str = "") -> Markup:
    """Return a state as a badge with icon and word."""
    colour, name, word = _STATES[state]
    return Markup('<span class="pill is-{}">{}{}</span>').format(colour, icon(name), words or word)


def state_part(part: int, state: str) -> str:
    """Return the colour (0), the icon (1) or the word (2) of a state."""
    return _STATES[state][part]


def dot(state: str, words: str = "") -> Markup:
    """Return a state as an icon, with its word as accessible name."""
    colour, name, word = _STATES[state]
    label = words or word
    return Markup('<span class="dot is-{}" role="img" aria-label="{}" title="{}">{}</span>').format(
        colour, label, label, icon(name)
    )


def model_pill(view: ModelPicture) -> Markup:
    """Return the state of a model."""
    return pill("serving", f"Serving version {view.serving}") if view.health == "ok" else pill(view.health)


def replica_state(replica: ReplicaState, version: int) -> Markup:
    """Return what one replica makes of one version; Model Server's own word is in the title."""
    if replica.problem:
        return pill("no answer")
    status = replica.served.statuses.get(version)
    if status is None:
        return pill("not loaded")
    state = {"AVAILABLE": "serving", "START": "loading", "LOADING": "loading", "UNLOADING": "loading"}.get(status.state)
    shown = pill("failed" if status.failed else state or "not loaded")
    return Markup('<span title="{}">{}</span>').format(f"Model Server: {status.state}", shown)


def version_pill(view: ModelPicture, row: VersionRow) -> Markup:
    """Return the state of a version over all replicas."""
    unproved = view.base.unproved
    if unproved is not None and unproved.version == row.version:
        return pill("failed", "Not proved") if unproved.killed else pill("loading", "Being proved")
    if row.withdrawn:
        return pill("rolled back" if "rolled" in (row.path.name if row.path else "") else "withdrawn")
    if row.path is None:
        return pill("removed")
    if any(status.failed for replica in row.replicas if (status := replica.served.statuses.get(row.version))):
        return pill("failed")
    return pill("serving") if row.serving_on else pill("kept")
