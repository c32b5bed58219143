"""Decide how one picture file becomes the files that are sent, and back. No I/O."""
