"""Turn what the views found into HTML."""
