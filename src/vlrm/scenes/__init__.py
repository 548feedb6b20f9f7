"""The embedded world: rendered tabletop scenes with exact truth, and the ways people word them."""
