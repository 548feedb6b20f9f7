"""The figures of a judge on a benchmark: from item-level results to values with intervals."""
