"""Lays prompts and their answers out for one forward pass: a prompt is read once, however many answers it has.

A tree is a prompt's tokens and, of each answer, those that follow it. Every answer sees its prompt and itself; its
positions go on where the prompt ends. In all layouts an answer's hidden states are those it has alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vlrm.families import Layout
from vlrm.reward.attention import Segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.seen import Seen
    from vlrm.vlm import Vlm


@dataclass(frozen=True)
class Branch:
    """What follows a prompt: the tokens of a response, and those that ask whether it is right."""

    response: list[int]
    after: list[int]

    def __len__(self) -> int:
        return len(self.response) + len(self.after)


@dataclass(frozen=True)
class Tree:
    """A prompt's tokens, the image's among them, and its branches."""

    seen: Seen | None
    prefix: list[int]
    branches: list[Branch]

    def __len__(self) -> int:
        return len(self.prefix) + sum(map(len, self.branches))

    def without_asking(self) -> Tree:
        """To read likelihoods alone; one token stays after each response, so that an empty one is a branch too."""
        return replace(self, branches=[Branch(branch.response, branch.after[:1]) for branch in self.branches])


@dataclass(frozen=True)
class Batch:
    """Model inputs, and where to read what a reward needs from hidden states (B, L, D) flattened to (B * L, D).

    ``source_N`` are the positions that predict the N response tokens ``target_N``, ``owner_N`` the branch of each;
    ``last_R`` the last token of each of R branches, in the order of the trees.
    """

    inputs: dict[str, Any]
    source_N: Tensor
    target_N: Tensor
    owner_N: Tensor
    last_R: Tensor


@dataclass
class _Line:
    """One row of a batch while it is filled."""

    tokens: list[int]
    positions: list[Tensor]
    spans: list[tuple[int, int, list[tuple[int, int]]]]
    """Of each tree: where its prefix starts and ends, and its branches."""


def lay(trees: Sequence[Tree], vlm: Vlm, layout: Layout) -> Batch:
    """A batch of ``trees`` for ``vlm``'s model."""
    if layout is Layout.PADDED:
        alone = [Tree(tree.seen, tree.prefix, [branch]) for tree in trees for branch in tree.branches]
        return _assemble([[tree] for tree in alone], vlm, layout)
    return _assemble([list(trees)] if layout is Layout.PACKED else [[tree] for tree in trees], vlm, layout)


def _assemble(rows: list[list[Tree]], vlm: Vlm, layout: Layout) -> Batch:
    lines = [_line(row, vlm) for row in rows]
    longest = max(len(line.tokens) for line in lines)
    tokens = torch.full((len(lines), longest), vlm.tokenizer.pad_token_id)
    positions = torch.zeros(vlm.family.axes, len(lines), longest, dtype=torch.long)
    filled = torch.zeros(len(lines), longest, dtype=torch.bool)
    source: list[int] = []
    target: list[int] = []
    counts: list[int] = []
    last: list[int] = []
    for i, (line, row) in enumerate(zip(lines, rows, strict=True)):
        tokens[i, : len(line.tokens)] = torch.tensor(line.tokens)
        positions[:, i, : len(line.tokens)] = torch.cat(line.positions, dim=1)
        filled[i, : len(line.tokens)] = True
        for tree, (_, end, spans) in zip(row, line.spans, strict=True):
            for branch, (first, stop) in zip(tree.branches, spans, strict=True):
                said = len(branch.response)
                # The prompt's last token predicts the first of every response.
                source += [i * longest + at for at in ([end - 1, *range(first, first + said - 1)] if said else [])]
                target += branch.response
                counts.append(said)
                last.append(i * longest + stop - 1)
    device = vlm.model.device
    inputs: dict[str, Any] = {"input_ids": tokens.to(device), "use_cache": False}
    inputs["position_ids"] = (positions if vlm.family.axes > 1 else positions[0]).to(device)
    inputs |= vlm.vision([tree.seen for row in rows for tree in row])
    if layout is Layout.PACKED:
        # A mask of four dimensions is handed on as it is: none is built, and the attention reads the segments.
        inputs["attention_mask"] = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)
        lengths = [(len(tree.prefix), list(map(len, tree.branches))) for tree in rows[0]]
        inputs["segments"] = Segments.of(lengths, device)
    else:
        inputs |= _masks(lines, tokens, positions, filled, vlm, layout)
    return Batch(
        inputs,
        torch.tensor(source, dtype=torch.long, device=device),
        torch.tensor(target, dtype=torch.long, device=device),
        torch.repeat_interleave(torch.tensor(counts)).to(device),
        torch.tensor(last, device=device),
    )


def _line(trees: Sequence[Tree], vlm: Vlm) -> _Line:
    line = _Line([], [], [])
    for tree in trees:
        start = len(line.tokens)
        before = vlm.positions(tree.prefix, tree.seen)
        following = int(before.max()) + 1
        line.tokens += tree.prefix
        line.positions.append(before)
        spans = []
        for branch in tree.branches:
            first = len(line.tokens)
            line.tokens += branch.response + branch.after
            line.positions.append((torch.arange(len(branch)) + following).expand(vlm.family.axes, -1))
            spans.append((first, len(line.tokens)))
        line.spans.append((start, start + len(tree.prefix), spans))
    return line


def _masks(
    lines: Sequence[_Line], tokens: Tensor, positions: Tensor, filled: Tensor, vlm: Vlm, layout: Layout
) -> dict[str, Any]:
    """The inputs that keep answers apart."""
    device = vlm.model.device
    images = (tokens == vlm.image_token_id) & filled
    if layout is Layout.PADDED:
        types = {} if vlm.family.types is None else {vlm.family.types: images.int().to(device)}
        return {"attention_mask": filled.long().to(device)} | types
    allowed = torch.stack([_allowed(line, tokens.shape[1]) for line in lines])
    if vlm.family.both_ways:
        # Runs of image tokens are numbered from 1; tokens of one run are of one image.
        run = torch.cumsum(images.int().diff(dim=1, prepend=torch.zeros(len(images), 1).int()).clamp_min(0), 1) * images
        allowed |= (run[:, :, None] == run[:, None, :]) & (run[:, :, None] > 0)
    masks = {"full_attention": allowed}
    kinds = set(getattr(vlm.model.config.get_text_config(), "layer_types", None) or ())
    if "sliding_attention" in kinds:
        window = vlm.model.config.get_text_config().sliding_window
        back = positions[0][:, :, None] - positions[0][:, None, :]
        masks["sliding_attention"] = allowed & (back < window)
    ready = {name: mask[:, None].to(device) for name, mask in masks.items()}
    return {"attention_mask": ready if len(ready) > 1 else ready["full_attention"]}


def _allowed(line: _Line, length: int) -> Tensor:
    """Who sees whom in a row, (L, L); what only fills the row sees itself, or it would be no number."""
    allowed = torch.eye(length, dtype=torch.bool)
    for start, end, branches in line.spans:
        allowed[start:end, start:end] = torch.ones(end - start, end - start).tril().bool()
        for first, stop in branches:
            allowed[first:stop, start:end] = True
            allowed[first:stop, first:stop] = torch.ones(stop - first, stop - first).tril().bool()
    return allowed
