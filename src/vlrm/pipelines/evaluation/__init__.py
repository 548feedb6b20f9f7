"""Stage 5: the reward model sits the exam, and its figures are computed."""
