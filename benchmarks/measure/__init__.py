"""What the benchmarks of transfers share: taking times in turn, and the rows that are moved."""
