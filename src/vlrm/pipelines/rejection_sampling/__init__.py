"""Stage 3: margin-based rejection sampling of pairs, and the critiques that agree with the evidence."""
