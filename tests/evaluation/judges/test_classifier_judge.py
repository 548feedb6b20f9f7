"""Sequence classifiers of transformers as judges: vision-language and text models, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from judged_items import BALLS, QUESTION, RING, STAR, noise, pair
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    AutoProcessor,
    BertConfig,
    BertForSequenceClassification,
    Gemma3ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)

from vlrm import chat
from vlrm.embedded.build import build_model, build_processor
from vlrm.errors import UserError
from vlrm.evaluation.judges.classifier import ClassifierJudge
from vlrm.reward.classifier import classifier_class

WORDS = (
    "there is a red star i can see two blue balls small green ring on the table what in image user assistant".split()
)
TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "pad_token_id": 0}


def text_tokenizer(template: bool, longest: int = 64) -> PreTrainedTokenizerFast:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, "?", "."]
    raw = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=longest,
    )  # fmt: skip
    if template:
        made.chat_template = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"
    return made


def text_model(folder, kind: str, labels: int = 1, template: bool = False):
    torch.manual_seed(0)
    tokenizer = text_tokenizer(template)
    sizes = TEXT | {"vocab_size": len(tokenizer), "num_labels": labels, "max_position_embeddings": 64}
    made = {
        "bert": lambda: BertForSequenceClassification(BertConfig(**sizes)),
        "llama": lambda: LlamaForSequenceClassification(LlamaConfig(**sizes)),
    }[kind]()
    spread(made)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return made.eval(), tokenizer


def spread(model) -> None:
    """Weights large enough that every token counts."""
    with torch.no_grad():
        for value in model.parameters():
            if value.dim() > 1:
                value.normal_(std=0.2)


@pytest.fixture(scope="module")
def vision_folder(tmp_path_factory):
    """A vision-language classifier that transformers has no class for, as our own export writes one."""
    folder = tmp_path_factory.mktemp("vision classifier")
    processor = build_processor([STAR, BALLS, RING, QUESTION] * 4)
    torch.manual_seed(0)
    base = build_model(processor)
    base.config.num_labels = 1
    base.config.get_text_config().pad_token_id = processor.tokenizer.pad_token_id
    model = classifier_class(base)(base.config)
    spread(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def family_models():
    """The tiny checkpoints of the tests of reward models."""
    file = Path(__file__).parents[2] / "reward" / "family_models.py"
    spec = importlib.util.spec_from_file_location("family_models_of_reward", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rewards(judge, items, images):
    judged = [one for [one] in judge.judge(items, images)]
    assert all(one.preferred == int(one.reward_1 > one.reward_0) for one in judged)
    return [(one.reward_0, one.reward_1) for one in judged]


@pytest.mark.parametrize("kind", ["bert", "llama"])
@pytest.mark.parametrize("template", [False, True])
def test_a_text_model_gives_its_own_logits_in_any_batch(kind, template, tmp_path):
    model, tokenizer = text_model(tmp_path, kind, template=template)
    judge = ClassifierJudge(str(tmp_path))
    items = [pair("1", STAR, BALLS), pair("2", f"{STAR} {BALLS}", "a star"), pair("3", RING, "ring")]
    found = rewards(judge, items, noise(3))
    assert not judge.looks and not judge.ordered
    for item, pairs in zip(items, found, strict=True):
        for said, reward in zip(item.responses, pairs, strict=True):
            if template:
                text = f"user {QUESTION} assistant {said} "
                inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")
            else:
                inputs = tokenizer(QUESTION, said, return_tensors="pt")
            assert reward == pytest.approx(float(model(**inputs).logits[0, 0].detach()), abs=1e-5)


def test_two_labels_give_the_log_odds_of_the_second(tmp_path):
    model, tokenizer = text_model(tmp_path, "bert", labels=2)
    [(reward, _)] = rewards(ClassifierJudge(str(tmp_path)), [pair()], [None])
    odds = model(**tokenizer(QUESTION, STAR, return_tensors="pt")).logits[0].detach().log_softmax(-1)
    assert reward == pytest.approx(float(odds[1] - odds[0]), abs=1e-5)


def test_a_vision_model_reads_the_image_and_the_conversation(vision_folder):
    judge = ClassifierJudge(str(vision_folder))
    items = [pair("1", STAR, BALLS), pair("2", RING, STAR), pair("3", STAR, RING, image=None)]
    images = [*noise(2), None]
    found = rewards(judge, items, images)
    assert judge.looks
    alone = [rewards(judge, [item], [image])[0] for item, image in zip(items, images, strict=True)]
    assert found == [pytest.approx(pairs, abs=1e-4) for pairs in alone]
    other = rewards(judge, items, [images[1], images[0], None])
    assert abs(other[0][0] - found[0][0]) > 1e-4 and other[2] == pytest.approx(found[2], abs=1e-5)
    processor = AutoProcessor.from_pretrained(vision_folder)
    text = processor.apply_chat_template(chat.answered(QUESTION, STAR), tokenize=False)
    inputs = processor(text=[text], images=[[images[0]]], return_tensors="pt", add_special_tokens=False)
    assert found[0][0] == pytest.approx(float(judge.model(**inputs).logits[0, 0].detach()), abs=1e-4)


def test_text_that_looks_like_an_image_places_none(vision_folder):
    judge = ClassifierJudge(str(vision_folder))
    token = judge.processor.image_token
    [(tricky, plain)] = rewards(judge, [pair("1", f"{token} {STAR}", STAR)], noise(1))
    assert tricky != plain


def test_transformers_own_vision_classifier_is_loaded_by_its_own_class(tmp_path):
    torch.manual_seed(0)
    base, processor = family_models().gemma3()
    base.config.num_labels = 1
    model = Gemma3ForSequenceClassification(base.config)
    spread(model)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    judge = ClassifierJudge(str(tmp_path))
    found = rewards(judge, [pair("1", STAR, BALLS), pair("2", RING, STAR)], noise(2))
    assert isinstance(judge.model, AutoModelForSequenceClassification._model_mapping[type(base.config)])
    assert len({reward for both in found for reward in both}) == 4


def test_a_text_longer_than_the_model_reads_is_a_problem_of_its_item(tmp_path):
    text_model(tmp_path, "bert")
    long, short = ClassifierJudge(str(tmp_path)).judge([pair("1", "star " * 70), pair("2")], [None, None])
    assert long[0].preferred is None and "the model reads 64" in long[0].problem
    assert short[0].problem is None and short[0].reward_0 is not None


def test_a_model_without_a_trained_head_is_refused(tmp_path):
    model, _ = text_model(tmp_path, "bert")
    model.bert.save_pretrained(tmp_path)
    judge = ClassifierJudge(str(tmp_path))
    with pytest.raises(UserError, match=r"lacks the weights classifier.bias, .* no trained classifier"):
        judge.judge([pair()], [None])


def test_more_than_two_labels_are_no_reward(tmp_path):
    text_model(tmp_path, "bert", labels=3)
    with pytest.raises(UserError, match="has 3 labels"):
        ClassifierJudge(str(tmp_path))


def test_a_folder_without_a_classifier_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"no sequence classifier could be loaded from .*: give classifier:FOLDER"):
        ClassifierJudge(str(tmp_path))


def test_other_weights_have_another_fingerprint(tmp_path):
    text_model(tmp_path / "one", "bert")
    text_model(tmp_path / "same", "bert")
    text_model(tmp_path / "other", "llama")
    one, same, other = (ClassifierJudge(str(tmp_path / name)).fingerprint for name in ("one", "same", "other"))
    assert one == same != other
    assert ClassifierJudge(str(tmp_path / "one"), max_pixels=100).fingerprint != one
