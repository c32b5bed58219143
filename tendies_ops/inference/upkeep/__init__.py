"""Work on an output between its runs: make a result again, remove old runs."""
