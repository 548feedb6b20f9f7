"""Atomic visual claims: read from responses, judged against evidence, and edited into counterfactuals."""
