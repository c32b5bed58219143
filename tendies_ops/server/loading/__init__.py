"""Decide how a version directory is loaded, warmed up, and has its requests merged into batches."""
