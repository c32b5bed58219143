"""Make a candidate visible, prove it, and commit it."""
