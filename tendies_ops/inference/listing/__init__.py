"""Decide which files of the input are pictures of a run, and in which order."""
