"""The servers next to us: each runs in an environment of its own, with the same SavedModel and the same client."""
