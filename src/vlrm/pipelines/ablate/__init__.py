"""The ablation: every arm on the loop's own candidates, evidence, critiques and offered pairs."""
