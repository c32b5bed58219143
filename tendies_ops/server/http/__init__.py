"""Decide how connections are read and written, what is refused, and how long a client is waited for."""
