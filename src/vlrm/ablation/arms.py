"""The arms of the ablation: what each leaves out or puts in the place of a part, and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vlrm.reward.model import RewardModel
    from vlrm.reward.train import RewardTraining

Role = Literal["ablation", "floor", "ceiling"]
TERMS = ("likelihood", "yes", "head")
CRITIQUE_LOSS = 0.1
FIRST_LIKELIHOOD_SCALE = 8.0
"""Where the likelihood alone starts when round 0 reads yes/no odds, which leave it no calibrated scale."""


@dataclass(frozen=True)
class Recipe:
    """How an arm's reward model differs from the loop's; the defaults are the loop's own."""

    terms: tuple[str, ...] = TERMS
    critiques: bool = True
    image_contrast: bool = True
    critique_loss: bool = False
    text_only: bool = False

    def settings(self, training: RewardTraining) -> RewardTraining:
        """The loop's training settings with what this arm leaves out or adds."""
        changed = {} if self.image_contrast else {"image_contrast": 0.0}
        if self.critique_loss:
            changed["language_model"] = CRITIQUE_LOSS
        return training.model_copy(update=changed)

    def narrow(self, model: RewardModel) -> None:
        """Take from a model at round 0 the terms this arm does without: they are zero and stay so in training."""
        if self.text_only:
            model.config = model.config.model_copy(update={"text_only": True})
        for name, scale in (("likelihood", model.likelihood_scale), ("yes", model.yes_scale)):
            if name not in self.terms:
                scale.requires_grad_(False)
                scale.zero_()
        if "head" not in self.terms:
            # Its last layer starts at zero, so a frozen head adds nothing.
            model.head.requires_grad_(False)
        if self.terms == ("likelihood",) and model.likelihood_scale.item() == 0:
            model.likelihood_scale.data.fill_(FIRST_LIKELIHOOD_SCALE)


@dataclass(frozen=True)
class Arm:
    """``what`` completes the sentence "this arm ..." in the report."""

    role: Role
    what: str
    recipe: Recipe | None = None
    """How its reward model is trained; None where no reward model is trained."""
    own_pairs: bool = False
    """It selects pairs itself; otherwise it trains on the pairs the loop kept."""
    only_embedded: bool = False
    """It needs what the embedded world has: exact truth, an exam that is not judged by the experts themselves, edits of
    every kind, or the setting that the arm turns off; ``--env photos`` tells each arm with and without claims."""


NO_CRITIQUES = Recipe(critiques=False)
ARMS = {
    "self_labelled": Arm(
        "ablation", "has no experts: round by round the model of the round before labels pairs of candidates",
        NO_CRITIQUES, own_pairs=True,
    ),
    "no_critiques": Arm("ablation", "reads no critiques and learns none", NO_CRITIQUES),
    "critique_loss": Arm(
        "ablation", "learns accepted critiques in the reward model's adapter, too", Recipe(critique_loss=True),
        only_embedded=True,
    ),
    "no_margin_rule": Arm(
        "ablation", "keeps random pairs of those the evidence prefers at all, untested and unweighted", Recipe(),
        own_pairs=True,
    ),
    "no_quads": Arm(
        "ablation", "keeps single pairs only, without image contrast and without claim questions",
        Recipe(image_contrast=False), own_pairs=True,
    ),
    "no_claim_questions": Arm(
        "ablation", "keeps pairs of whole answers alone, no questions about single claims", Recipe(), own_pairs=True,
        only_embedded=True,
    ),
    "not_by_claim": Arm(
        "ablation", "is the full loop asking nothing about what a response names", only_embedded=True
    ),
    "no_relation_edits": Arm(
        "ablation", "reads no critiques and keeps no edit of a relation: how it judges what was never edited",
        NO_CRITIQUES, own_pairs=True, only_embedded=True,
    ),
    "one_round": Arm(
        "ablation", "spends the whole budget at once, on all prompts, with round 0's reward model", Recipe(),
        own_pairs=True,
    ),
    "likelihood_only": Arm("ablation", "has the response's likelihood as its only term", Recipe(("likelihood",))),
    "head_only": Arm("ablation", "has the scalar head as its only term", Recipe(("head",))),
    "text_only": Arm(
        "floor", "is trained and read on the same pairs with every image blank",
        Recipe(critiques=False, image_contrast=False, text_only=True),
    ),
    "linear_probe": Arm("floor", "is a logistic regression on the base model's frozen hidden states"),
    "text_classifier": Arm("floor", "is a logistic regression on words and word pairs, five-fold by image"),
    "length_only": Arm("floor", "prefers the shorter or the longer answer, whichever the gate split says"),
    "majority_verdict": Arm("floor", "counts the verdicts of the last round's critiques"),
    "experts_as_reward": Arm(
        "ceiling", "runs the experts on the exam's images and scores groundedness", only_embedded=True
    ),
    "evidence_at_scoring": Arm(
        "ceiling", "is the full loop reading critiques that its critic writes with the experts' evidence",
        only_embedded=True,
    ),
    "exact_labels": Arm(
        "ceiling", "selects and labels the same offered pairs by exact truth", Recipe(), own_pairs=True,
        only_embedded=True,
    ),
}  # fmt: skip
ON_OWN_IMAGES = {name: arm for name, arm in ARMS.items() if not arm.only_embedded}
"""The arms there are on a user's images."""
TRAINED = tuple(name for name, arm in ARMS.items() if arm.recipe is not None)
