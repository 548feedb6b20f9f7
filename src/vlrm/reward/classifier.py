"""A reward's scalar form as a sequence classifier of transformers: base, one ``score`` layer, and a chat template."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForSequenceClassification
from transformers.modeling_layers import GenericForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from vlrm.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from vlrm import chat
    from vlrm.reward.scalar import Scalar
    from vlrm.vlm import Vlm

SUFFIX = "ForSequenceClassification"


def native_class(config: Any) -> type | None:
    """The class that ``AutoModelForSequenceClassification`` loads for this architecture, None where it has none.

    In transformers 5.23 Gemma3 and Qwen3.5 have one that reads images; LLaVA, the other Qwens, Idefics3, SmolVLM and
    InternVL have none.
    """
    known = config.model_type in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
    return AutoModelForSequenceClassification._model_mapping[type(config)] if known else None


def classifier_class(model: Any) -> type:
    """That class, or one made the way transformers makes its own: the generic classifier on the family's base class.

    ``model``: one of the family, such as its ``ForConditionalGeneration``.
    """
    native = native_class(model.config)
    if native is not None:
        return native
    base = next(one for one in type(model).__mro__ if one.__name__.endswith("PreTrainedModel"))
    return type(base.__name__.removesuffix("PreTrainedModel") + SUFFIX, (GenericForSequenceClassification, base), {})


def save_classifier(vlm: Vlm, scalar: Scalar, question: str, folder: Path) -> dict[str, Any]:
    """Write the classifier of ``vlm``'s model, adapters merged, into ``folder``; no weight is copied in memory.

    Returns what a user must know to load it. ``question``: the verification question that ends a conversation.

    Raises:
        UserError: the tokenizer has no padding token, by which the classifier finds a row's end.
    """
    if vlm.tokenizer.pad_token_id is None:
        raise UserError(
            "the tokenizer has no padding token, by which a sequence classifier finds the end of a row: set pad_token "
            "in the base model's tokenizer_config.json, or leave 'classifier' out of export_model.parts"
        )
    config = copy.deepcopy(vlm.model.config)
    config.num_labels = 1
    config.get_text_config().pad_token_id = vlm.tokenizer.pad_token_id
    kind: Any = classifier_class(vlm.model)
    with torch.device("meta"):
        model = kind(config)
    model.model = vlm.model.model
    weight = scalar.weight_D[None].to(vlm.model.dtype)
    model.score.weight = torch.nn.Parameter(weight)
    # Names as they are in memory: those of older checkpoints would say nothing of `score` and the base's new place.
    model.save_pretrained(folder, save_original_format=False)
    processor = copy.deepcopy(vlm.processor)
    processor.chat_template = asking(processor.chat_template, question)
    processor.tokenizer.chat_template = processor.chat_template
    processor.save_pretrained(folder)
    return {
        "class": kind.__name__,
        "in_transformers": native_class(config) is not None,
        "bias": scalar.bias,
        "score_dtype": str(weight.dtype).removeprefix("torch."),
    }


def asked(question: str) -> chat.Message:
    """The turn of a user who asks ``question``."""
    return {"role": "user", "content": [{"type": "text", "text": question}]}


def asking(template: str, question: str) -> str:
    """``template`` that ends a conversation whose last turn is an answer with the verification question.

    Servers and trainers render [question, answer] and know of no third turn. Contents that are plain text are made
    lists, which the templates of vision-language models iterate over.
    """
    return (
        "{%- set vlrm = namespace(turns=[]) %}"
        "{%- for turn in messages %}{%- if turn['content'] is string %}"
        "{%- set turn = {'role': turn['role'], 'content': [{'type': 'text', 'text': turn['content']}]} %}{%- endif %}"
        "{%- set vlrm.turns = vlrm.turns + [turn] %}{%- endfor %}"
        "{%- if messages[-1]['role'] == 'assistant' %}"
        f"{{%- set vlrm.turns = vlrm.turns + [{json.dumps(asked(question))}] %}}{{%- endif %}}"
        "{%- set messages = vlrm.turns %}{%- set add_generation_prompt = true %}" + template
    )
