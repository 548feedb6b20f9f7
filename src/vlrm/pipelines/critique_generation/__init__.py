"""Stage 2: candidates, their claims, counterfactuals, critiques."""
