"""What figures are called on pages and in tables, in the groups and the order they are shown in."""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "Accuracy": {
        "accuracy": "Accuracy, a tie one half, unreadable wrong",
        "accuracy_macro": "Macro, over categories",
        "accuracy_official": "Official rule, agree / (agree + reject)",
        "coverage": "Coverage of the official rule",
        "tied": "Tied",
        "unparsed": "Unreadable",
        "acc_plus": "Acc+, all of a group right",
    },
    "HallusionBench": {
        "a_acc": "aAcc, answers",
        "f_acc": "fAcc, figures",
        "q_acc": "qAcc, question pairs",
    },
    "AMBER": {
        "chair": "CHAIR, made-up objects of those said",
        "cover": "Cover, true objects that are said",
        "hal": "Hal, texts with a made-up object",
        "cog": "Cog, likely objects made up",
        "amber_score": "AMBER score, (1 - CHAIR + F1) / 2",
    },
    "Order of the answers": {
        "order_consistency": "Same answer in both orders",
        "both_orders_accuracy": "Right in both orders",
        "first_shown": "Prefers what is shown first",
    },
    "Without the right image": {
        "blank_accuracy": "Blank image",
        "blank_accuracy_balanced": "Blank image, text-balanced",
        "blank_gain": "Gain of the image over a blank one",
        "blank_same": "Same answer with a blank image",
        "swapped_accuracy": "Swapped image",
        "swapped_accuracy_balanced": "Swapped image, text-balanced",
        "swapped_gain": "Gain of the image over another's",
        "swapped_same": "Same answer with another's image",
        "text_only_balanced": "Text-only classifier, text-balanced",
    },
    "Length": {
        "better_longer_accuracy": "Where the better answer is longer",
        "better_shorter_accuracy": "Where the better answer is shorter",
        "short_half_accuracy": "Half of short answers",
        "long_half_accuracy": "Half of long answers",
        "prefers_longer": "Prefers the longer answer",
        "longer_is_better": "The longer answer is better",
    },
    "Calibration": {
        "ece_before": "Calibration error, raw",
        "ece_after": "Calibration error, scaled",
        "brier_before": "Brier score times 100, raw",
        "brier_after": "Brier score times 100, scaled",
    },
}
SIGNED = frozenset({"blank_gain", "swapped_gain"})
"""Differences, in points."""
LOWER_IS_BETTER = frozenset(
    {"tied", "unparsed", "chair", "hal", "cog", "ece_before", "ece_after", "brier_before", "brier_after"}
)
NEITHER = frozenset(
    {
        "first_shown", "blank_accuracy", "blank_accuracy_balanced", "blank_same", "swapped_accuracy",
        "swapped_accuracy_balanced", "swapped_same", "text_only_balanced", "prefers_longer", "longer_is_better",
    }
)  # fmt: skip
"""Figures of which neither more nor less is better by itself."""
BASELINES = {
    "always_first": "always the first",
    "always_shorter": "always the shorter",
    "always_longer": "always the longer",
    "always_yes": "always yes",
    "always_no": "always no",
    "text_only": "text-only classifier",
    "critiques": "its critiques' majority",
}
YES_NO = {"accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1", "yes_ratio": "Yes-ratio"}
"""Figures of questions of yes or no; they are named ``part.figure``."""


def words(name: str) -> str:
    """A name as people write it."""
    return name.replace("_", " ")


def baseline_label(name: str) -> str:
    return BASELINES.get(name, words(name))


def groups_of(names: set[str]) -> dict[str, dict[str, str]]:
    """The groups less what is not in ``names``, and accuracies where other judges err."""
    found = {title: {name: label for name, label in group.items() if name in names} for title, group in GROUPS.items()}
    errs = {
        name: f"Where {baseline_label(name[len('accuracy_where_') : -len('_errs')])} is wrong"
        for name in sorted(names)
        if name.startswith("accuracy_where_")
    }
    return {title: group for title, group in (found | {"Where others err": errs}).items() if group}
