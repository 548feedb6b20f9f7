"""A judge examined on a benchmark."""
