"""Lineage: which inputs, parameters and code made each file of a round, and what may therefore be kept."""
