"""The sample: the very nodes of ``iterate``, run on a few items in a folder that is thrown away, and timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa

from vlrm import chat
from vlrm.claims.table import objects_by_image
from vlrm.counterfactuals import CounterfactualSettings
from vlrm.critiques.grammar import without_verdict
from vlrm.critiques.templates import choose
from vlrm.errors import UserError
from vlrm.estimate.measured import Lap, Measured, Unit, Yields, size_of, timed
from vlrm.estimate.tried import (
    answers_among,
    as_kept,
    criticised_sides,
    quoted_talks,
    sides,
    tokens_read,
    tokens_written,
)
from vlrm.experts.config import ExpertConfig, build_experts
from vlrm.pipelines.critique_generation.nodes import criticise, edit, sample, verify, verify_edits
from vlrm.pipelines.expert_annotation.nodes import annotate
from vlrm.pipelines.groundwork.nodes import default_rule, know_experts
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.rejection_sampling.nodes import choose_critiques, offer_in_round, select
from vlrm.pipelines.rm_training.nodes import SavedCritic, criticise_on_policy, learn_to_criticise, learn_to_reward
from vlrm.pipelines.settings import Critiques, Policy, World, feature_store, image_store
from vlrm.progress import say
from vlrm.prompts import draw_prompts
from vlrm.rejection_sampling.claim_questions import ClaimQuestionSettings
from vlrm.rejection_sampling.rule import Rule
from vlrm.reward.critic import CriticTraining
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.reward.scoring import score
from vlrm.reward.train import RewardTraining
from vlrm.schema import QUESTION, SCENES
from vlrm.user_files import Row as UserRow
from vlrm.user_files import ingest

PROMPTS, LEAST = 16, 2
"""Prompts tried, and how few where the model is slow."""
PATIENCE = 2.0
"""Seconds that one prompt's candidates may take before fewer prompts are tried."""
FEW, CALIBRATION, STEPS, SCORED = 2, 22, 5, 64
SEED = 77


@dataclass(frozen=True)
class Loop:
    """The parameters of ``iterate`` that decide what an item costs."""

    world: World
    experts: list[ExpertConfig]
    policy: Policy
    counterfactuals: CounterfactualSettings
    claim_questions: ClaimQuestionSettings
    critiques: Critiques
    rule: Rule
    critic: CriticTraining
    reward: RewardTraining
    reliability: str | None = None


class Sampler:
    """Tries each kind of work once, in the order of a round; ``data`` is a folder to be thrown away."""

    def __init__(self, loop: Loop, data: Path) -> None:
        self.loop, self.data = loop, str(data)
        self.folder = data
        self.units: dict[str, Unit] = {}
        self.yields: dict[str, float] = {}

    def measure(self, rows: Sequence[UserRow] | None, images: Path | None) -> Measured:
        """``rows`` and ``images``: some of a user's own prompts, and their folder; None draws scenes."""
        began = time.perf_counter()
        process = psutil.Process()
        used = process.cpu_times()
        self.units["start"] = Unit(seconds=[time.time() - process.create_time()], cpu_seconds=used.user + used.system)
        self._load()
        prompts, scenes = self._prompts(rows, images)
        prompts, candidates = self._candidates(prompts)
        self._round(prompts, scenes, candidates)
        self._features()
        seconds = time.perf_counter() - began
        return Measured(
            prompts=prompts.num_rows, seconds=seconds, units=self.units, yields=Yields.model_validate(self.yields)
        )

    # --- what is loaded again and again -----------------------------------------------------------------------------

    def _load(self) -> None:
        say("models")
        laps = []
        for _ in range(2):
            with timed() as lap:
                self.vlm = open_vlm(self.loop.policy, self.data)
            laps.append(lap)
        # the first also imports what is never imported again
        self.units["model loaded"] = Unit(seconds=[laps[1].seconds], cpu_seconds=laps[1].cpu)
        config = ModelConfig(
            base=self.loop.policy.base, likelihood_scale=1, yes_scale=1, verify_form=0, readout="likelihood"
        )
        self.round_zero = self.folder / "round_zero"
        RewardModel(self.vlm, config).save(self.round_zero)
        self.no_critic = self.folder / "no_critic"
        SavedCritic(None).save(self.no_critic)
        build_experts(self.loop.experts)
        with timed() as lap:
            build_experts(self.loop.experts)
        self.units["experts loaded"] = Unit(seconds=[lap.seconds], cpu_seconds=lap.cpu)
        self._calibrate()

    def _calibrate(self) -> None:
        """Fitting takes what it takes; what a scene adds is the difference of many and few."""
        laps = {}
        for scenes in (FEW, FEW, CALIBRATION):
            world = self.loop.world.model_copy(update={"calibration_scenes": scenes})
            before = self._image_bytes()
            with timed() as laps[scenes]:
                self.reliability, _ = know_experts(world, self.loop.experts, self.loop.reliability, self.data)
        many, few = laps[CALIBRATION], laps[FEW]
        added = Lap()
        added.seconds, added.cpu = max(0.0, many.seconds - few.seconds), max(0.0, many.cpu - few.cpu)
        fresh = CALIBRATION - FEW
        self._note("calibration scene", added, fresh, disk=(self._image_bytes() - before) / fresh)

    def _image_bytes(self) -> int:
        return size_of(image_store(self.data))

    def _note(self, kind: str, lap: Lap, items: float, load: str = "", **others: float) -> None:
        """A unit cost, without what was loaded first; measured again, another time is added."""
        fixed = self.units[load] if load else Unit(seconds=[0.0])
        if not items:
            return
        each = [max(0.0, lap.seconds - fixed.mean) / items]
        cpu = max(0.0, lap.cpu - fixed.cpu_seconds) / items
        if (known := self.units.get(kind)) is not None:
            times = len(known.seconds)
            known.seconds += each
            known.cpu_seconds = (known.cpu_seconds * times + cpu) / (times + 1)
        else:
            self.units[kind] = Unit(seconds=each, cpu_seconds=cpu, **others)

    # --- prompts and candidates -------------------------------------------------------------------------------------

    def _prompts(self, rows: Sequence[UserRow] | None, images: Path | None) -> tuple[pa.Table, pa.Table]:
        before = self._image_bytes()
        with timed() as lap:
            if rows is not None and images is not None:
                prompts, _ = ingest(rows, images, image_store(self.data), source=str(images))
                scenes = SCENES.empty_table()
            else:
                parts = self.loop.world.training_parts
                prompts, scenes = draw_prompts(SEED, "estimate", PROMPTS, parts, image_store(self.data))
        added = self._image_bytes() - before
        self._note("prompt", lap, prompts.num_rows, disk=added / prompts.num_rows)
        return prompts, scenes

    def _candidates(self, prompts: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Fewer prompts where the candidates of the first one take long."""
        say("candidates")
        with timed() as lap:
            sample(prompts.slice(0, 1), self.loop.policy, SEED, self.data)
        alone = lap.seconds - self.units["model loaded"].mean
        if alone > PATIENCE:
            prompts = prompts.slice(0, max(LEAST, int(PROMPTS * PATIENCE / alone)))
        with timed() as lap:
            candidates = sample(prompts, self.loop.policy, SEED + 1, self.data)
        asked = tokens_read(self.vlm, [(p["image_sha256"], chat.ask(p["question"])) for p in prompts.to_pylist()])
        self._note(
            "candidate", lap, prompts.num_rows * self.loop.policy.candidates, "model loaded", prompt_tokens=asked,
            completion_tokens=tokens_written(self.vlm, candidates["text"].to_pylist()), requests=1,
        )  # fmt: skip
        return prompts, candidates

    # --- the rest of a round ----------------------------------------------------------------------------------------

    def _round(self, prompts: pa.Table, scenes: pa.Table, candidates: pa.Table) -> None:
        loop, number = self.loop, prompts.num_rows
        say("experts")
        evidence = self._annotate(prompts)
        before = self._image_bytes()
        with timed() as lap:
            claims = verify(candidates, prompts, evidence, self.reliability)
            edits, quads, _ = edit(candidates, claims, prompts, evidence, scenes, self.reliability,
                                   loop.counterfactuals, SEED, self.data)  # fmt: skip
        drawn = self._image_bytes() - before
        quad_evidence = self._annotate(quads) if quads.num_rows else evidence.slice(0, 0)
        with timed() as more:
            edit_claims = verify_edits(edits, prompts, quads, evidence, quad_evidence, self.reliability)
            offered = offer_in_round(candidates, claims, edits, edit_claims, prompts, quads, evidence, quad_evidence,
                                     self.reliability, loop.rule, loop.claim_questions, SEED)  # fmt: skip
        lap.seconds, lap.cpu = lap.seconds + more.seconds, lap.cpu + more.cpu
        self._note("prompt edited", lap, number, disk=drawn / number)
        kept, accepted = self._select(offered)
        self.yields |= {
            "images": len(set(prompts["image_sha256"].to_pylist())) / number,
            "quad_images": len(set(quads["image_sha256"].to_pylist())) / number,
            "offered": offered.num_rows / number,
            "accepted": accepted / number,
        }
        critiques = self._criticise(candidates, edits, prompts, evidence)
        targets, counts = choose_critiques(critiques, claims, edit_claims, candidates, edits, prompts, SEED)
        self.yields["criticised"] = critiques.num_rows / loop.critiques.samples / number
        self.yields["targets"] = counts["kept"] / max(1, critiques.num_rows)
        pairs = kept if kept.num_rows >= loop.reward.pairs_per_step else as_kept(offered)
        self.yields["sides"] = criticised_sides(pairs, loop.rule.target_mix.get(QUESTION, 1.0))
        self._train(pairs, targets)

    def _annotate(self, prompts: pa.Table) -> pa.Table:
        with timed() as lap:
            found = annotate(prompts, self.loop.experts, self.data)
        images = len(set(prompts["image_sha256"].to_pylist()))
        self._note("image annotated", lap, images, "experts loaded")
        return found

    def _select(self, offered: pa.Table) -> tuple[pa.Table, int]:
        """The kept pairs and how many pass every test; a sample may keep none."""
        rule = self.loop.rule.model_copy(update={"least": 1, "budget": max(1, offered.num_rows)})
        kept, judged = offered.slice(0, 0), None
        with timed() as lap:
            try:
                kept, judged, _, _ = select(
                    offered, default_rule(rule), self.round_zero, rule, self.loop.policy, SEED, self.data
                )
            except UserError:
                pass
        self._note("pair judged", lap, offered.num_rows, "model loaded")
        return kept, 0 if judged is None else judged["refused"].null_count

    def _criticise(self, candidates: pa.Table, edits: pa.Table, prompts: pa.Table, evidence: pa.Table) -> pa.Table:
        say("critiques")
        every = self.loop.critiques.model_copy(update={"share": 1.0})
        with timed() as lap:
            made = criticise(candidates, edits, prompts, evidence, self.no_critic, self.loop.policy, every, SEED,
                             self.data)  # fmt: skip
        answers = candidates.to_pylist() + edits.to_pylist()
        talks = quoted_talks(made, answers, prompts, objects_by_image(evidence))
        self._note(
            "critique with evidence", lap, made.num_rows, "model loaded", prompt_tokens=tokens_read(self.vlm, talks),
            completion_tokens=tokens_written(self.vlm, made["text"].to_pylist()), requests=1,
        )  # fmt: skip
        return made

    def _train(self, pairs: pa.Table, targets: pa.Table) -> None:
        """A few steps of both trainings, on-policy critiques by that critic, and scores by that reward model."""
        loop = self.loop
        say("training")
        critic = self.folder / "critic"
        if targets.num_rows:
            epochs = STEPS * loop.critic.rows_per_step / targets.num_rows
            few = loop.critic.model_copy(update={"epochs": epochs})
            with timed("critic step") as lap:
                trained = learn_to_criticise(loop.policy, few, loop.reward, SEED, self.data, targets)
            self._steps("critic step", lap)
        else:
            trained = SavedCritic(None)
        trained.save(critic)
        if not pairs.num_rows:
            return
        spoken = answers_among(pairs).slice(0, max(1, loop.critiques.sampling.batch_size // 2))
        with timed() as lap:
            every = loop.critiques.model_copy(update={"on_policy_share": 1.0})
            critiques = criticise_on_policy(critic, loop.policy, every, SEED, self.data, spoken)
        template = choose(loop.critiques.template, self.vlm.model.config)
        rows = sides(spoken)
        talks = [(row.image, template.ask(row.question, row.response, None)) for row in rows]
        self._note(
            "critique", lap, critiques.num_rows, "model loaded", prompt_tokens=tokens_read(self.vlm, talks),
            completion_tokens=tokens_written(self.vlm, critiques["text"].to_pylist()), requests=1,
        )  # fmt: skip
        epochs = STEPS * loop.reward.pairs_per_step / pairs.num_rows
        few_steps = loop.reward.model_copy(update={"epochs": epochs})
        with timed("reward step") as lap:
            model, _ = learn_to_reward(
                self.round_zero, critiques, loop.policy, few_steps, SEED, self.data, pairs, targets
            )
        self._steps("reward step", lap)
        self._score(model, rows, critiques)
        saved = self.folder / "reward_model"
        model.save(saved)
        self._sizes(saved, critic)

    def _steps(self, kind: str, lap: Lap) -> None:
        steps = lap.steps or [lap.seconds]
        share = lap.cpu / lap.seconds if lap.seconds else 1.0
        self.units[kind] = Unit(seconds=steps, cpu_seconds=min(1.0, share) * sum(steps) / len(steps))

    def _score(self, model: RewardModel, rows: list[Row], critiques: pa.Table) -> None:
        said = dict(zip(critiques["response_id"].to_pylist(), critiques["text"].to_pylist(), strict=True))
        texts = list(said.values()) or [""]
        carried = [Row(r.image, r.question, r.response, without_verdict(texts[i % len(texts)]))
                   for i, r in enumerate(rows)]  # fmt: skip
        for kind, some in (("response scored", rows), ("scored with critique", carried)):
            read = tokens_read(
                self.vlm, [(r.image, chat.verify(r.question, r.response, r.critique)) for r in some[:SCORED]]
            )
            for start in range(0, min(len(some), 2 * SCORED), SCORED):
                part = some[start : start + SCORED]
                with timed() as lap:
                    score(model, part)
                self._note(kind, lap, len(part), prompt_tokens=read)

    def _features(self) -> None:
        """What the tower makes of an image is kept for every image that is looked at: of a large tower, megabytes."""
        kept = [path.stat().st_size for path in feature_store(self.data).rglob("*.safetensors")]
        if kept:
            self.units["image annotated"].disk = sum(kept) / len(kept)

    def _sizes(self, reward_model: Path, critic: Path) -> None:
        """What a round keeps of its models, and what the release keeps: twice, for the MLflow store has a copy."""
        adapters = size_of(reward_model) + size_of(critic)
        base = Path(self.loop.policy.base)
        whole = adapters + (size_of(base) if base.exists() else 0)
        self.units["model saved"] = Unit(seconds=[0.0], disk=adapters)
        self.units["model released"] = Unit(seconds=[0.0], disk=2 * whole)
