"""Decide what a run counts, and what it reports while it goes on and at its end."""
