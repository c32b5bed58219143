"""Decide where pictures are read and results are written, and whom an output folder belongs to."""
