"""Decide whether every replica serves a version and has proved it."""
