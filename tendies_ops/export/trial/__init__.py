"""Finding a network's contract by trial: run it on pictures under several readings, and see which output is sane."""
