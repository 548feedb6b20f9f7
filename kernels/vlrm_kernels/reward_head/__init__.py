"""The reward model's head at chosen rows of the hidden states: dense rewards at the ends of a critique's steps."""

from vlrm_kernels.reward_head.operator import reward_head

__all__ = ["reward_head"]
