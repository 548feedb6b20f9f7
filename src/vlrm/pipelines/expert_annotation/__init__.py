"""Stage 1: experts say what is in each image."""
