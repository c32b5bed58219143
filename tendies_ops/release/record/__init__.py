"""Decide what is recorded about a release before, while and after it changes anything."""
