"""Examine a reward model: the exam, its figures with intervals, the floors beside them, and the report."""
