"""Decide what is recorded about each picture, and read it back."""
