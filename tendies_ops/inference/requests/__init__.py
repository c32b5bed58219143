"""Decide what each server is asked next, and what its answer or its failure means."""
