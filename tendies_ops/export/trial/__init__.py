"""Finding the contract of a network by running it on pictures under several readings of its input."""
