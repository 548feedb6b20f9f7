"""The page of a benchmark: one self-contained HTML file of tables and inline SVG, without scripts or network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vlrm.evaluation.benchmarks.suites import SUITES
from vlrm.evaluation.judges.critics import NAME as CRITIQUES
from vlrm.evaluation.pages import page_tables
from vlrm.evaluation.pages.labels import baseline_label, words
from vlrm.evaluation.pages.page_charts import sections
from vlrm.lineage.files import replacing
from vlrm.viewing.claims import key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlrm.evaluation.figures import Figure
    from vlrm.evaluation.measuring.result import Baseline, Comparison, Mistake, Result


def write_report(file: Path, results: Sequence[Result]) -> Path:
    """The page of one benchmark at ``file``. The first result is what the page is about, with its mistakes; the others
    stand beside it. Written whole or not at all."""
    return _write(file, [_report(results)], f"{results[0].model} on {_name(results[0].suite)}")


def write_comparison(file: Path, comparisons: Sequence[Comparison]) -> Path:
    """Two judges side by side, on one benchmark or several."""
    first = comparisons[0]
    return _write(file, [_comparison(one) for one in comparisons], f"{first.first.model} against {first.second.model}")


def _write(file: Path, parts: list[dict[str, Any]], title: str) -> Path:
    environment = Environment(
        loader=PackageLoader("vlrm.evaluation", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("pages/page.html.j2").render(title=title, parts=parts, key=key())
    with replacing(file) as new:
        new.write_text(page, encoding="utf-8")
    return file


def _report(results: Sequence[Result]) -> dict[str, Any]:
    subject = results[0]
    tables = [page_tables.headline(results), page_tables.yes_no(results)]
    return {
        "title": _name(subject.suite),
        "about": _about(subject),
        "notes": _notes(results, [subject]),
        "tiles": _tiles(subject),
        "tables": [table for table in tables if table is not None and table.lines],
        "sections": sections(results),
        "last": page_tables.all_figures(results),
        "mistakes": _mistakes([subject]),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    results = [comparison.first, comparison.second]
    found, only = comparison.differences.get("accuracy"), comparison.discordant
    tiles = [(one.model, _share(one.figures.get("accuracy")), _range(one.figures.get("accuracy"))) for one in results]
    if found is not None:
        low, high = 100 * found.figure.low, 100 * found.figure.high
        detail = f"points, {low:+.1f} to {high:+.1f}; p {page_tables.p_text(found.p_value)}"
        tiles.append(("Difference", f"{100 * found.figure.value:+.1f}", detail))
    right = f"{only.only_first} : {only.only_second}"
    tiles.append(("Right alone", right, f"McNemar's exact test: p {page_tables.p_text(only.p_value)}"))
    tables = [page_tables.differences(comparison), page_tables.headline(results), page_tables.yes_no(results)]
    return {
        "title": _name(comparison.suite),
        "about": _about(comparison.first),
        "notes": [*_notes(results, results), "Both judges are compared on the items that both have judged."],
        "tiles": tiles,
        "tables": [table for table in tables if table is not None and table.lines],
        "sections": sections(results),
        "last": None,
        "mistakes": _mistakes(results),
    }


def _name(suite: str) -> str:
    known = {one.name: one.about.split(":")[0] for one in SUITES}
    return known.get(suite, words(suite))


def _about(result: Result) -> str:
    about = next((one.about.split(": ", 1)[-1] for one in SUITES if one.name == result.suite), "")
    counted = f"{_count(result.items)} items, {_count(result.judged)} judged."
    return f"{about[:1].upper()}{about[1:]}. {counted}" if about else counted


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _notes(results: Sequence[Result], about: Sequence[Result]) -> list[str]:
    """What to know before reading; ``about``: the judges that are held against the best floor."""
    notes = [f"Beware: {one.traps}." for one in SUITES if one.name == results[0].suite]
    for one in results:
        if one.judged < one.items:
            notes.append(
                f"{one.model}: {one.items - one.judged} of {one.items} items were not judged and are in no figure."
            )
        if one.strange:
            notes.append(f"{one.model}: {one.strange} judgements are of items that the file no longer holds.")
    return notes + [_against(one, *best) for one in about if (best := _best_floor(one)) is not None]


def _best_floor(result: Result) -> tuple[str, Baseline] | None:
    """The best rule or text-only judge; "always the first" is one of the file, not of an examination that swaps, and a
    judge's critiques look at the image."""
    floors = [one for one in result.baselines.items() if one[0] not in ("always_first", CRITIQUES)]
    return max(floors, key=lambda one: one[1].accuracy.value, default=None)


def _against(result: Result, name: str, floor: Baseline) -> str:
    ours, best = result.figures["accuracy"], floor.accuracy
    gap = 100 * (ours.value - best.value)
    place = "above" if gap >= 0 else "below"
    sure = "" if ours.low > best.value or ours.high < best.value else ", which is within its interval"
    return (
        f"{result.model}: accuracy is {abs(gap):.1f} points {place} the best that needs no image "
        f"({baseline_label(name)}, {100 * best.value:.1f}\u00a0%){sure}."
    )


def _tiles(result: Result) -> list[tuple[str, str, str]]:
    shown = {
        "accuracy": "Accuracy",
        "accuracy_macro": "Macro",
        "accuracy_official": "Official rule",
        "q_acc": "qAcc",
        "yes.f1": "F1",
        "no.f1": "F1 of no",
        "chair": "CHAIR",
        "order_consistency": "Same in both orders",
        "blank_accuracy_balanced": "Blank image, balanced",
        "ece_after": "Calibration error",
    }
    figures = result.figures
    if figures.get("coverage") and figures["coverage"].value == 1.0:
        del shown["accuracy_official"]  # the same
    if len(result.by_category) < 2:
        del shown["accuracy_macro"]
    return [(label, _share(figures[name]), _range(figures[name])) for name, label in shown.items() if name in figures]


def _share(figure: Figure | None) -> str:
    return "–" if figure is None else f"{100 * figure.value:.1f} %"


def _range(figure: Figure | None) -> str:
    return "" if figure is None else f"{100 * figure.low:.0f}–{100 * figure.high:.0f} %"


def _mistakes(results: Sequence[Result]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(one.model, [_card(mistake) for mistake in one.mistakes]) for one in results if one.mistakes]


def _card(mistake: Mistake) -> dict[str, Any]:
    """A mistake's texts; answers whose claims are marked come as HTML that is escaped already."""
    better, worse = mistake.claims
    return mistake.model_dump() | {
        "better": Markup(better) if better else mistake.better,  # noqa: S704 - made by vlrm.viewing.claims.coloured
        "worse": Markup(worse) if worse else mistake.worse,  # noqa: S704
        "label": f"{mistake.id} · {words(mistake.category)} · {100 * mistake.confidence:.0f} % sure",
    }
