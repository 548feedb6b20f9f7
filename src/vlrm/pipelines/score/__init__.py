"""Rewards of a user's own responses."""
