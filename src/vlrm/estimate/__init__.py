"""What an ``iterate`` will take before it runs: a short measured sample, multiplied by how often each thing is done."""
