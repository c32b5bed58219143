"""What is measured, against what. ``python -m bench`` runs it all; ``python -m bench NAME ...`` only what is named."""
