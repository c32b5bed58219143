"""Partitions of a batch: their keys, their folders, and the state of each from its own ledger."""
