"""One batch as several runs: shards on several workers, or a run for each of several parameters."""
