"""What gpu_check.py repeats on a device: attention over segments, rewards of tiny checkpoints, the kernels' cases.

Each part gives rows of (what, error, bound): the error is against float64, or against the same thing another way.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from vlrm.families import Layout
from vlrm.reward.attention import Segments, segment_attention
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.reward.scoring import Scorer, score
from vlrm.reward.train import LINEAR
from vlrm.vlm import Vlm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "kernels" / "kernel_cases.py"
SHAPES = ([(1350, (60, 45))], [(700, (450, 300)), (90, (5, 1, 33)), (64, ()), (1, (1, 2))])
"""Trees of (prompt, answers): an image's prompt with a pair; long answers, one of a token, none."""
KINDS = ("qwen2_5_vl", "qwen3_vl")
BOUNDS = {torch.float32: (1e-5, 1e-4), torch.bfloat16: (3e-2, 3e-2)}
"""Largest error of attention's output, and of its gradients over the largest gradient."""


@dataclass(frozen=True)
class Check:
    """One thing that has to be equal."""

    what: str
    error: float
    bound: float

    @property
    def holds(self) -> bool:
        return self.error <= self.bound  # false where the error is no number


# --- attention --------------------------------------------------------------------------------------------------------


def drawn(length: int, device: torch.device, dtype: torch.dtype, heads: tuple[int, int] = (8, 2)) -> list[Tensor]:
    """Queries, keys and values (1, heads, L, 64), alike on every device."""
    generator = torch.Generator().manual_seed(length)
    return [
        torch.randn(1, n, length, 64, generator=generator).to(device, dtype).requires_grad_()
        for n in (heads[0], heads[1], heads[1])
    ]


def one_call(leaves: Sequence[Tensor], segments: Segments) -> Tensor:
    """What training runs: varlen on a GPU in bf16, a call a segment elsewhere."""
    return segment_attention(None, *leaves, None, segments=segments)[0]  # type: ignore[arg-type]


def padded(leaves: Sequence[Tensor], segments: Segments) -> Tensor:
    """A row a sequence, each prompt read again for each answer: what a loop over pairs computes."""
    rows = [
        (range(*prompt), range(*branch))
        for prompt, branches in segments.trees
        for branch in (branches or [(prompt[1], prompt[1])])
    ]
    longest = max(len(prompt) + len(branch) for prompt, branch in rows)
    index = torch.tensor([[*p, *b, *[0] * (longest - len(p) - len(b))] for p, b in rows], device=segments.device)
    query, key, value = (whole[0][:, index].transpose(0, 1) for whole in leaves)
    attended = scaled_dot_product_attention(
        query, key, value, is_causal=True, enable_gqa=query.shape[1] != key.shape[1]
    ).transpose(1, 2)
    length = leaves[0].shape[2]
    place = torch.zeros(length, 2, dtype=torch.long)
    for i, (prompt, branch) in enumerate(rows):
        for j, at in enumerate([*prompt, *branch]):
            place[at] = torch.tensor([i, j])
    place = place.to(segments.device)
    return attended[place[:, 0], place[:, 1]][None]


def attention_checks(device: torch.device) -> Iterator[Check]:
    """Each way against float64 on the CPU, forward and backward."""
    for trees in SHAPES:
        exact_segments = Segments.of(trees, torch.device("cpu"))
        length = exact_segments.length
        exact = drawn(length, torch.device("cpu"), torch.float64)
        towards = torch.randn(1, length, 8, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        want = _with_gradients(padded, exact, exact_segments, towards)
        for dtype, (forward, backward) in BOUNDS.items():
            segments = Segments.of(trees, device)
            leaves = drawn(length, device, dtype)
            for name, way in (("segments", one_call), ("padded", padded)):
                got = _with_gradients(way, leaves, segments, towards)
                errors = [float((a.double().cpu() - b).abs().max()) for a, b in zip(got, want, strict=True)]
                largest = max(float(b.abs().max()) for b in want[1:])
                what = f"attention, {name}, {_name(dtype)}, {length} tokens"
                yield Check(what, errors[0], forward)
                yield Check(f"{what}: gradients", max(errors[1:]) / largest, backward)


def _with_gradients(
    way: Callable[[Sequence[Tensor], Segments], Tensor], leaves: Sequence[Tensor], segments: Segments, towards: Tensor
) -> list[Tensor]:
    output = way(leaves, segments)
    return [output.detach(), *torch.autograd.grad(output, leaves, towards.to(output))]


# --- rewards ----------------------------------------------------------------------------------------------------------


def reward_checks(device: torch.device) -> Iterator[Check]:
    """Tiny random checkpoints of the real classes: layouts, devices, a saved model, and bf16 beside float32."""
    sys.path.insert(0, str(ROOT / "tests" / "reward"))
    from family_models import write

    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            yield from _rewards(kind, write(kind, Path(name) / kind), Path(name), device)


def _rewards(kind: str, folder: Path, scratch: Path, device: torch.device) -> Iterator[Check]:
    exact = _opened(folder, scratch, torch.float32, torch.device("cpu"))
    want, want_gradient = _measured(exact, Layout.PADDED)
    for dtype, bound in ((torch.float32, 1e-4 if device.type == "cuda" else 1e-5), (torch.bfloat16, 0.1)):
        model = _opened(folder, scratch, dtype, device)
        for layout in (Layout.PACKED, Layout.MASKED, Layout.PADDED):
            rewards, gradient = _measured(model, layout)
            what = f"rewards, {kind}, {layout}, {_name(dtype)}"
            yield Check(what, float((rewards - want).abs().max()), bound)
            scale = float(want_gradient.norm())
            yield Check(f"{what}: gradient", float((gradient - want_gradient).norm()) / scale, bound)
        model.layout = Layout.PACKED
        saved = scratch / f"{kind}_{_name(dtype)}"
        model.save(saved)
        again = Scorer.load(saved, base=folder, device=str(device)).model
        difference = abs(score(again, rows_of(again)) - score(model, rows_of(model)))
        yield Check(f"rewards, {kind}, {_name(dtype)}: saved and loaded", float(difference.max()), bound)


def _opened(folder: Path, scratch: Path, dtype: torch.dtype, device: torch.device) -> RewardModel:
    vlm = Vlm.load(folder, scratch, dtype, device=device)
    config = ModelConfig(base=str(folder), likelihood_scale=1, yes_scale=0.5, verify_form=0, readout="likelihood")
    model = RewardModel(vlm, config)
    model.add_adapter(4, 8, LINEAR, seed=0)
    generator = torch.Generator().manual_seed(2)
    for name, value in model.backbone.named_parameters():
        value.requires_grad_("lora_" in name)
        if "lora_" in name:
            value.data = (0.1 * torch.randn(value.shape, generator=generator)).to(value)
    model.head.last.weight.data = torch.randn(1, 64, generator=generator).to(model.head.last.weight)
    return model.eval()


def rows_of(model: RewardModel) -> list[Row]:
    """Prompts about two images and about none, with answers short and long."""
    generator = torch.Generator().manual_seed(3)
    pictures = [
        Image.fromarray(torch.randint(0, 256, (high, wide, 3), generator=generator).byte().numpy())
        for wide, high in ((64, 48), (120, 60))
    ]
    images = [*(model.vlm.hold(picture) for picture in pictures), None]
    said = ("There is a red star.", "I can see two blue balls and a small green ring on the table.")
    return [Row(image, "What is in the image?", text) for image in images for text in said]


def _measured(model: RewardModel, layout: Layout) -> tuple[Tensor, Tensor]:
    """Rewards (6,) and the gradient of a weighted sum of them, all adapters' in one, as float64 on the CPU."""
    model.layout = layout
    model.zero_grad()
    rewards = model(rows_of(model))
    (rewards * torch.linspace(-1, 1, len(rewards), device=rewards.device)).sum().backward()
    gradient = [p.grad.flatten() for n, p in sorted(model.backbone.named_parameters()) if p.grad is not None]
    return rewards.detach().double().cpu(), torch.cat(gradient).double().cpu()


# --- kernels ----------------------------------------------------------------------------------------------------------


def kernel_checks(device: torch.device) -> Iterator[Check]:
    """The kernels' random and edge cases; on a CPU in Triton's interpreter. Bounds are those of their tests."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "kernels")}
    environment |= {} if device.type == "cuda" else {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, str(CASES), device.type], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        yield Check(f"kernels: {done.stderr.strip().splitlines()[-1][:100]}", float("nan"), 0)
        return
    worst: dict[tuple[str, bool, str], float] = defaultdict(float)
    for case in json.loads(done.stdout.splitlines()[-1]):
        for figure in ("loss", "gradient"):
            key = case["kernel"], case["exact"], figure
            error = case.get(figure, 0.0)
            worst[key] = max(worst[key], math.inf if math.isnan(error) else error)
    tight = {"loss": 1e-5, "gradient": 1e-4} if device.type == "cuda" else {"loss": 1e-6, "gradient": 1e-5}
    for (kernel, exact, figure), error in worst.items():
        yield Check(
            f"kernel {kernel}, {'float32' if exact else 'bf16'}: {figure}", error, tight[figure] if exact else 2e-2
        )


def _name(dtype: torch.dtype) -> str:
    return {torch.float32: "float32", torch.bfloat16: "bf16"}[dtype]


def checks(device: torch.device) -> list[Check]:
    """All of them, TF32 off: it is not float32."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    return [*attention_checks(device), *reward_checks(device), *kernel_checks(device)]
