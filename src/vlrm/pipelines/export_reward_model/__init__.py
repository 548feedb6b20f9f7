"""A reward model as files that need none of this project."""
