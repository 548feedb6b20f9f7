"""A user's own answers about their images: brought in, verified against the experts' evidence, explained."""
