"""Decide how JSON is read and laid out, as the real server does with RapidJSON."""
