"""Log-probabilities through an LM head without its logits: scores, sequences' sums, the margin loss of pairs."""

from vlrm_kernels.lm_head.operator import sequence_logprob, token_logprob
from vlrm_kernels.lm_head.pairs import LogprobMargin, logprob_margin_loss

__all__ = ["LogprobMargin", "logprob_margin_loss", "sequence_logprob", "token_logprob"]
