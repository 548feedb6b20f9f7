"""The pages of benchmarks: one judge with its mistakes, two judges side by side."""
