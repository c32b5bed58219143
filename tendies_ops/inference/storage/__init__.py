"""Decide how pictures are read and results are written, on a disk and in a store."""
