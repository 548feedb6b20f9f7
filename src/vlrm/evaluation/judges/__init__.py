"""What is examined: reward models, generative judges and the trivial rules that any of them has to beat."""
