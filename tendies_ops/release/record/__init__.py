"""Decide what is written down about a release before, while and after it changes anything."""
