"""What an ``iterate`` would take, from a short sample of every kind of its work; no round is touched."""
