"""The Trainer of reward models: the loss of a planned micro-batch, two rates, exact checkpoints, a guard."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from vlrm.reward import checkpoints
from vlrm.reward.early_stop import EarlyStop
from vlrm.reward.guard import Guard
from vlrm.reward.learning import frozen_side, parameter_groups
from vlrm.reward.objective import weights_and_margins
from vlrm.reward.schedule import WarmCosine
from vlrm.reward.step_log import StepLog, gathered
from vlrm_kernels.pair_margin import pair_margin_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from vlrm.reward.batches import MicroBatch, TrainingPlan
    from vlrm.reward.objective import PairObjective
    from vlrm.reward.settings import RewardTraining


def arguments(settings: RewardTraining, folder: Path, seed: int, device: torch.device) -> TrainingArguments:
    """What the Trainer is asked for: no output of its own, one planned micro-batch an item, where the model is."""
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.rate,
        max_grad_norm=settings.clip,
        bf16=settings.bf16,
        use_cpu=device.type == "cpu",  # told, or bf16 is refused and processes are not joined
        seed=seed % 2**32,
        save_strategy="steps" if settings.checkpoint_steps else "no",
        save_steps=settings.checkpoint_steps or 500,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=False,
    )


class RewardTrainer(Trainer):
    """Trains a :class:`PairObjective` on a :class:`TrainingPlan`.

    ``progress`` hears of every step once, also of those before a resume. With ``resume``, checkpoints in the output
    folder are gone on from: they are of this very training.
    """

    loss_is_scaled_for_ga = True  # a micro-batch knows its share of the step
    optimizer: Any
    lr_scheduler: Any

    def __init__(
        self,
        objective: PairObjective,
        plan: TrainingPlan,
        args: TrainingArguments,
        progress: Callable[[StepLog], None],
        validation: Sequence[MicroBatch] = (),
        resume: bool = False,
    ) -> None:
        args.max_steps = plan.steps
        super().__init__(model=objective, args=args, train_dataset=plan, data_collator=_only)
        self.remove_callback(PrinterCallback)
        self.add_callback(_EachStep(self))
        self.objective = objective
        self.settings = settings = objective.settings
        self.validation = validation
        self.resume = resume
        self.progress = progress
        self.logs: list[StepLog] = []
        self.rate = WarmCosine(plan.steps)
        self.guard = Guard(settings.explosion, settings.restores, settings.snapshot_steps, self.rate)
        self.early = EarlyStop(settings.patience) if settings.patience and validation else None
        self._seen: list[dict[str, Tensor]] = []
        self._norm = 0.0
        self._figures: dict[str, float] = {}
        if self.is_fsdp_enabled:
            self._shard_only_what_is_language()

    def fit(self) -> None:
        """Train to the end, from the last checkpoint if there is one."""
        found = checkpoints.checkpoints(Path(self.args.output_dir)) if self.resume else []
        self.train(resume_from_checkpoint=str(found[-1]) if found else None)
        if self.early is not None and self.early.best is not None:
            checkpoints.put_weights(self.model, self.early.best)

    # --- the loss ---------------------------------------------------------------------------------------------------

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """This micro-batch's part of the step's loss, times the processes whose gradients are averaged."""
        self.objective.look(inputs["batch"])
        out = model(inputs["batch"])
        self._seen.append(out | {"loss": out["loss"].detach()})
        loss = out["loss"] * self.args.world_size
        return (loss, out) if return_outputs else loss

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW without decay, the two scales at their own rate."""
        if self.optimizer is None:
            others, scales = parameter_groups(self.objective.model)
            groups: list[dict[str, Any]] = [{"params": others, "lr": self.settings.rate}]
            groups += [{"params": scales, "lr": self.settings.scale_rate}] if scales else []
            self.optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.lr_scheduler is None:
            chosen = optimizer or self.optimizer
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(chosen, [self.rate] * len(chosen.param_groups))
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        # The scales are not clipped with the rest: a large gradient of theirs would shorten everybody's step.
        norm = self.accelerator.clip_grad_norm_(parameter_groups(self.objective.model)[0], self.args.max_grad_norm)
        self._norm = 0.0 if norm is None else float(norm)
        return norm

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    # --- each step --------------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Before the optimiser's step: gather what the step saw, and leave it out if it is unsound."""
        self._figures = gathered(self._seen, self.accelerator) | {"rate": self._bare_optimizer.param_groups[0]["lr"]}
        self._seen = []
        if self.is_deepspeed_enabled:  # its gradients and states are its own: an unsound step can only end training
            self.guard.restores = 0
        if not self.guard.check(
            self.state.global_step, self._figures["loss"], self._norm, self.learning, self._bare_optimizer
        ):
            for parameter in self.learning:
                parameter.grad = None

    def tell(self) -> None:
        """After the step: log it, validate when it is time."""
        step = self.state.global_step
        log = StepLog(step, self.state.max_steps, **self._figures, gradient_norm=self._norm)
        self.logs.append(log)
        if self.is_world_process_zero():
            self.progress(log)
        if self.early is not None and (step % self.settings.validation_steps == 0 or step == self.state.max_steps):
            if self.early.better(step, self._validated()):
                self.early.best = checkpoints.weights_of(self.model)
            self.control.should_training_stop |= self.early.over

    @property
    def learning(self) -> list[nn.Parameter]:
        return [p for group in self._bare_optimizer.param_groups for p in group["params"]]

    @property
    def _bare_optimizer(self) -> torch.optim.Optimizer:
        return getattr(self.optimizer, "optimizer", self.optimizer)

    @torch.no_grad()
    def _validated(self) -> float:
        """Pair margin loss over validation, dealt out to the processes, each with as many forward passes."""
        model, world, own = self.model_wrapped, self.args.world_size, self.args.process_index
        model.eval()
        mine = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        for start in range(0, len(self.validation), world):
            real = start + own < len(self.validation)
            batch = self.validation[start + own if real else 0]
            self.objective.look(batch)
            out = model(batch)
            if real:
                weight_B, margin_B = weights_and_margins(batch.pairs, out["chosen"].device)
                loss = pair_margin_loss(out["chosen"], out["rejected"], weight_B, margin_B).double()
                mine += torch.stack([loss, loss.new_ones(())]) * weight_B.sum()
        model.train()
        total, weight = (self.accelerator.reduce(mine, "sum") if world > 1 else mine).tolist()
        return total / weight

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(self.args.output_dir)
        if self.is_deepspeed_enabled:
            return super()._save_checkpoint(model, trial)
        name = f"{checkpoints.PREFIX}{self.state.global_step}"
        writing = folder / "writing" / name
        weights = checkpoints.weights_of(self.model)
        optimizer = checkpoints.optimizer_state(self._bare_optimizer)
        if checkpoints.finite(weights.values()):
            self.guard.keep(self.state.global_step, self.learning, self._bare_optimizer)
        if self.args.should_save:
            if self.early is not None and self.early.best is not None:
                weights |= {f"best:{key}": value for key, value in self.early.best.items()}
            checkpoints.write_model_and_optimizer(
                writing, weights, optimizer, self.lr_scheduler.state_dict(), self._told()
            )
            self.state.save_to_json(str(writing / "trainer_state.json"))
        self.accelerator.wait_for_everyone()
        self._save_rng_state(str(writing))
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            checkpoints.settle(writing, folder)
        self.accelerator.wait_for_everyone()
        return None

    def _told(self) -> dict[str, Any]:
        return {
            "logs": [asdict(log) for log in self.logs],
            "guard": self.guard.state(),
            "early_stop": None if self.early is None else self.early.state(),
        }

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        folder = Path(resume_from_checkpoint)
        weights = checkpoints.read_weights(folder)
        best = {name.removeprefix("best:"): weights.pop(name) for name in list(weights) if name.startswith("best:")}
        checkpoints.put_weights(self.model, weights)
        told = checkpoints.told(folder)
        self.guard.put_state(told["guard"])
        if self.early is not None and told["early_stop"] is not None:
            self.early.put_state(told["early_stop"])
            self.early.best = best or None
        self.logs = [StepLog(**log) for log in told["logs"]]
        if self.is_world_process_zero():
            for log in self.logs:
                self.progress(log)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or self.is_deepspeed_enabled:
            return super()._load_optimizer_and_scheduler(checkpoint)
        folder = Path(checkpoint)
        state = checkpoints.read_state(folder, checkpoints.OPTIMIZER)
        checkpoints.put_optimizer_state(self._bare_optimizer, state)
        self.lr_scheduler.load_state_dict(checkpoints.read_state(folder, checkpoints.SCHEDULE))
        self.guard.keep(self.state.global_step, self.learning, self._bare_optimizer)
        return None

    # --- sharding ---------------------------------------------------------------------------------------------------

    def create_accelerator_and_postprocess(self) -> None:
        """As the Trainer does it, and sharded on CPUs too where FSDP is asked for: accelerate would replicate there."""
        super().create_accelerator_and_postprocess()
        asked = os.environ.get("ACCELERATE_USE_FSDP", "false") == "true"
        if asked and self.accelerator.distributed_type is DistributedType.MULTI_CPU:
            self.accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin()
            self.accelerator.state.distributed_type = DistributedType.FSDP
            self.is_fsdp_enabled = True

    def _shard_only_what_is_language(self) -> None:
        """The tower stays whole in every process: whether a batch has images must not decide who waits for whom."""
        from torch.distributed.fsdp import MixedPrecisionPolicy

        plugin = self.accelerator.state.fsdp_plugin
        plugin.ignored_modules = frozen_side(self.objective.model)
        if self.args.bf16:  # the loss and the sums of gradients keep their precision
            plugin.mixed_precision_policy = MixedPrecisionPolicy(
                param_dtype=torch.bfloat16, reduce_dtype=torch.float32, output_dtype=torch.float32
            )
        for name in ("likelihood_scale", "yes_scale"):  # a number without a dimension cannot be cut up
            scale = getattr(self.objective.model, name)
            setattr(self.objective.model, name, torch.nn.Parameter(scale.detach().reshape(1), scale.requires_grad))


class _EachStep(TrainerCallback):
    """Hands the Trainer's two moments of a step to :class:`RewardTrainer`."""

    def __init__(self, trainer: RewardTrainer) -> None:
        self._trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.judge()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.tell()


def _only(items: list[MicroBatch]) -> dict[str, MicroBatch]:
    """A data loader's batch of one item is that micro-batch."""
    (item,) = items
    return {"batch": item}
