"""Policies: models that write candidates and critiques."""
