"""Decide which protocol buffers are read and written, and read them from text files."""
