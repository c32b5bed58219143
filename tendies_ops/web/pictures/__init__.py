"""Draw pictures again, in processes of their own, and keep what was drawn."""
