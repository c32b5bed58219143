"""Decide what a run counts, and what it reports during the run and at its end."""
