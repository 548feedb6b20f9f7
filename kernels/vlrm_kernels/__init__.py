"""Fused Triton kernels of vlrm: each beside its plain PyTorch reference, its benchmark and its cost sheet."""
