"""Claims verified against evidence, with probabilities that come from the experts' measured reliability."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vlrm.claims.likelihoods import SHRINK, Likelihoods
from vlrm.claims.presence import Presence
from vlrm.claims.symbols import NOTHING, SILENT, Observed, observe
from vlrm.claims.vocabulary import EMBEDDED
from vlrm.errors import UserError
from vlrm.schema import Claim, ObjectPhrase, SeenObject, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

CERTAIN = 0.8
"""The probability from which on a claim is supported, and one minus which it is contradicted; between, nothing is."""
FORMAT = 1
Example = tuple[Claim, list[SeenObject], bool]


@dataclass(frozen=True)
class Verification:
    """A claim's chance of being true, the verdict, and what each expert family contributed (in log-odds)."""

    probability: float
    verdict: Verdict
    families: dict[str, float]
    evidence_ids: list[str]


def verdict_of(log_odds: float, certain: float = CERTAIN) -> Verdict:
    if abs(log_odds) < math.log(certain / (1 - certain)):
        return "unverifiable"
    return "supported" if log_odds > 0 else "contradicted"


class Reliability:
    """l = logit(prior of the kind) + sum over families of weight * clipped log-likelihood ratio; p =
    sigmoid(l)."""

    def __init__(
        self,
        likelihoods: Likelihoods,
        weights: Mapping[str, Mapping[str, float]],
        priors: Mapping[str, float],
        certain: float = CERTAIN,
        presence: Presence | None = None,
    ) -> None:
        """``presence`` decides of the nouns it knows whether they are there, in place of counts."""
        self.likelihoods = likelihoods
        self.weights = {table: dict(families) for table, families in weights.items()}
        self.priors = dict(priors)
        self.certain = certain
        self.presence = presence

    def asked(self, certain: float | None = None, **priors: float) -> Reliability:
        """The same measurement with another certainty asked of verdicts, or other priors of kinds of claims."""
        return Reliability(
            self.likelihoods,
            self.weights,
            {**self.priors, **priors},
            self.certain if certain is None else certain,
            self.presence,
        )

    @staticmethod
    def fit(
        examples: Iterable[Example],
        priors: Mapping[str, float] | None = None,
        certain: float = CERTAIN,
        shrink: float = SHRINK,
        presence: Presence | None = None,
    ) -> Reliability:
        """Count symbols and fit family weights on claims whose truth is known.

        ``priors`` (claim kind -> share of true claims) overrides the shares among the examples. The prior goes by kind
        only: a prior by label would write the language prior into the verdicts. Claims of negative polarity are counted
        as what they deny.
        """
        seen: list[tuple[str, Observed, bool]] = []
        for claim, objects, truth in examples:
            seen.append((claim.kind, observe(claim, objects), truth == claim.polarity))
        likelihoods = _counted(seen, shrink)
        shares: defaultdict[str, list[bool]] = defaultdict(list)
        for kind, _, truth in seen:
            shares[kind].append(truth)
        fitted = {kind: (sum(truths) + 1) / (len(truths) + 2) for kind, truths in shares.items()}
        return Reliability(likelihoods, _fit_weights(seen, shrink), {**fitted, **(priors or {})}, certain, presence)

    def verify(self, claim: Claim, objects: Sequence[SeenObject]) -> Verification:
        """The verdict on one claim; ``objects`` are all the objects the experts found in its image.

        A noun that no calibration knew, that ``presence`` does not know either and that no expert has reported here is
        open: from silence about it nothing follows, and the claim is left to its prior. A number of things is never
        likelier than that there is one: where counts decide nothing, "three elephants" is as false as "an elephant".
        """
        found = self._weighed(claim, objects)
        if claim.kind == "count" and claim.polarity and claim.count and found.verdict == "unverifiable":
            noun = ObjectPhrase(claim.subject.noun)
            there = self._weighed(replace(claim, kind="existence", subject=noun, count=None), objects)
            return there if there.verdict == "contradicted" else found
        return found

    def _weighed(self, claim: Claim, objects: Sequence[SeenObject]) -> Verification:
        seen = observe(claim, objects) if self._heard_of(claim, objects) else NOTHING
        sign = 1.0 if claim.polarity else -1.0
        families = {family: round(sign * ratio, 6) for family, ratio in self._ratios(claim, seen, objects).items()}
        prior = self.priors.get(claim.kind, 0.5)
        log_odds = sign * math.log(prior / (1 - prior)) + sum(families.values())
        probability = 1 / (1 + math.exp(-log_odds))
        return Verification(probability, verdict_of(log_odds, self.certain), families, seen.evidence_ids)

    def _ratios(self, claim: Claim, seen: Observed, objects: Sequence[SeenObject]) -> dict[str, float]:
        """What each family adds to the log-odds of what the claim speaks of."""
        noun = claim.subject.noun
        if self.presence is not None and seen.table == "existence" and noun in self.presence.labels:
            return {"detector": self.presence.ratio(noun, objects)}
        weights = self.weights.get(_weighting(seen), {})
        return {family: weights.get(family, 1.0) * ratio for family, ratio in self.likelihoods.ratios(seen).items()}

    def _heard_of(self, claim: Claim, objects: Sequence[SeenObject]) -> bool:
        nouns = {
            phrase.noun for phrase in (claim.subject, claim.other) if phrase is not None and phrase.noun is not None
        }
        listed = set(self.likelihoods.counts["existence"]["detector"].labels) if self._calibrated else set()
        if self.presence is not None and claim.kind == "existence":
            listed |= self.presence.labels.keys()
        if listed <= EMBEDDED.nouns.keys():
            listed.update(EMBEDDED.nouns)  # no calibration, or one on a few of the embedded world's scenes
        return all(noun in listed or any(o.noun == noun for o in objects) for noun in nouns)

    @property
    def _calibrated(self) -> bool:
        return "existence" in self.likelihoods.counts and "detector" in self.likelihoods.counts["existence"]

    def to_json(self) -> dict[str, Any]:
        """Everything :meth:`from_json` needs, as plain JSON values."""
        presence = {} if self.presence is None else {"presence": self.presence.to_json()}
        return presence | {
            "format": FORMAT,
            "weights": self.weights,
            "priors": self.priors,
            "certain": self.certain,
            "shrink": self.likelihoods.shrink,
            "likelihoods": self.likelihoods.to_dict(),
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Reliability:
        if raw["format"] != FORMAT:
            raise ValueError(f"format {raw['format']}")
        return Reliability(
            Likelihoods.from_dict(raw["likelihoods"], raw.get("shrink", SHRINK)),
            raw["weights"],
            raw["priors"],
            raw.get("certain", CERTAIN),
            Presence.from_json(raw["presence"]) if "presence" in raw else None,
        )

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_json(), sort_keys=True, indent=1), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> Reliability:
        try:
            return Reliability.from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise UserError(
                f"{path} does not exist: the experts' reliability is fitted "
                "on calibration scenes before claims are verified."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} does not hold the experts' reliability ({error}): delete it and let it be fitted again."
            ) from error


def _weighting(observed: Observed) -> str:
    """The group of claims whose family weights are fitted together.

    Where the detector is silent no other family speaks, so its silence is weighed apart: beside an attribute's own
    expert a box's score adds little, but its absence decides.
    """
    silent = observed.symbols.get("detector", ("", ""))[0] == SILENT
    return f"{observed.table}:silent" if silent else observed.table


def _counted(seen: Iterable[tuple[str, Observed, bool]], shrink: float) -> Likelihoods:
    likelihoods = Likelihoods(shrink)
    for _, observed, truth in seen:
        likelihoods.add(observed, truth)
    return likelihoods


def _fit_weights(seen: Sequence[tuple[str, Observed, bool]], shrink: float) -> dict[str, dict[str, float]]:
    """Weights in [0, 1] by logistic regression on ratios that were counted on the other half of the examples.

    A weight below one says that a family repeats what others say already. Tables too small to fit keep one.
    """
    from sklearn.linear_model import LogisticRegression

    halves = [_counted(seen[1::2], shrink), _counted(seen[0::2], shrink)]
    rows: defaultdict[str, list[dict[str, float]]] = defaultdict(list)
    truths: defaultdict[str, list[bool]] = defaultdict(list)
    for place, (_, observed, truth) in enumerate(seen):
        rows[_weighting(observed)].append(halves[place % 2].ratios(observed))
        truths[_weighting(observed)].append(truth)
    weights: dict[str, dict[str, float]] = {}
    for table, ratios in rows.items():
        families = sorted({family for row in ratios for family in row})
        weights[table] = dict.fromkeys(families, 1.0)
        truth_column = np.array(truths[table])
        # Silence is the same for all such claims: there is no variation to fit a weight on, and nothing to
        # repeat.
        if table.endswith(":silent") or min(truth_column.sum(), (~truth_column).sum()) < 20:
            continue
        features = np.array([[row.get(family, 0.0) for family in families] for row in ratios])
        model = LogisticRegression(C=10.0, max_iter=200).fit(features, truth_column)
        for family, weight in zip(families, model.coef_[0], strict=True):
            weights[table][family] = float(np.clip(weight, 0.0, 1.0))
    return weights
