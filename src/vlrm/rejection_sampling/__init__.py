"""Margin-based rejection sampling: which pairs the evidence is sure enough about to train on. Pure, no
I/O."""
