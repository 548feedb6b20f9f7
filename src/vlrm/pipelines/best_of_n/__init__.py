"""Best-of-N with any reward model, up to 64 candidates a prompt."""
