"""Two judges side by side on the benchmarks that both have sat."""
