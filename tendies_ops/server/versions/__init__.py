"""Decide which versions of which models are loaded, served and unloaded, and when."""
