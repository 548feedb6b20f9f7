"""Critiques: their grammar, a strict parser, and the evidence they may cite."""
