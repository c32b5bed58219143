"""Decide whether a candidate may replace the version in service."""
