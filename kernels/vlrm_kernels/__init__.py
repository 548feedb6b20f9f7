"""Kernels of vlrm: each beside its plain PyTorch reference, which is also the CPU path (docs/kernels.md)."""
