"""Benchmarks of reward models: one loader a file, one typed item for all of them."""
