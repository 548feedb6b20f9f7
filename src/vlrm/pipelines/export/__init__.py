"""The kept pairs of finished rounds as preference data for other trainers."""
