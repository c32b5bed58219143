"""Decide how a version becomes the one in service: by its directory, or by a label."""
