"""Decide which version has the content, make it visible, prove it, and commit it."""
