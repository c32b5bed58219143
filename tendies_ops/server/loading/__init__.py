"""Decide how a version directory is loaded and warmed up, and how its requests are merged into batches."""
