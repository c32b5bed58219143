"""Decide how connections are read and written, what is refused, and how long the server waits for a client."""
