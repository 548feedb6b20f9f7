"""Nodes that examine a judge on a benchmark and write what came of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.examine import Bench, Examined, bench_of, examine, measured
from vlrm.evaluation.benchmarks.results import Place, results_table
from vlrm.evaluation.judges.choose import TEXT_ONLY, Means, choose
from vlrm.evaluation.judges.critics import NAME as CRITIQUES
from vlrm.evaluation.judges.critics import write_majority
from vlrm.evaluation.judges.scalar import ScalarJudge
from vlrm.evaluation.leakage import find_leaks, refuse_leaks
from vlrm.evaluation.pages.evidence_view import EvidenceView
from vlrm.evaluation.pages.page import write_report
from vlrm.pipelines.benchmark.settings import Benchmark
from vlrm.pipelines.settings import Policy, image_store
from vlrm.progress import say
from vlrm.registry.resolve import find_model

if TYPE_CHECKING:
    from vlrm.evaluation.judges.protocol import Judge

LOOKS = "looks.sqlite"
"""In the cache of the data folder: what training images look like, for the search for leaks."""
MAJORITY = "critiques.parquet"
"""Beside a reward model's item-level results: what its critiques alone would have preferred."""
WIDE = 150


def judge_items(
    model: str,
    suite: str | None,
    images: str | None,
    benchmark: Benchmark,
    policy: Policy,
    allow_leaks: bool,
    seed: int,
    experiment: str,
    data: str,
) -> Examined:
    """Item-level results of the judge ``model`` on ``suite``, asked for where they are not there yet."""
    bench = bench_of(suite, benchmark.file, images, Path(data), seed, experiment)
    say(f"{bench.label}: reading")
    means = means_of(bench, benchmark, policy, seed, experiment, data)
    return examined(model, bench, means, benchmark, allow_leaks, data)


def report_benchmark(
    found: Examined, benchmark: Benchmark, policy: Policy, seed: int, experiment: str, data: str
) -> Path:
    """The figures as JSON, a row of the table of all judges, and a page; told on the terminal."""
    place, console = results_place(data), a_console()
    means = means_of(found.bench, benchmark, policy, seed, experiment, data)
    view = evidence_view() if benchmark.evidence else None
    result = measured(found, baselines_of(found, means, place), seed, view)
    page = write_report(place.page(result.suite, result.model), [result, *place.others(result)])
    place.keep(result)
    console.print(results_table([result]))
    _told(console, found)
    console.print(f"Page      {page}")
    console.print(f"Figures   {place.figures(result.suite, result.model)}")
    console.print(f"Items     {found.run.file}")
    return place.root


def results_place(data: str) -> Place:
    return Place(Path(data) / "08_reporting" / "benchmark")


def means_of(bench: Bench, benchmark: Benchmark, policy: Policy, seed: int, experiment: str, data: str) -> Means:
    """What judges are made of in this project."""
    return Means(
        find=partial(find_model, data=Path(data), experiment=experiment),
        store=image_store(data),
        items=bench.items,
        answers=Path(data) / "cache" / "endpoint",
        base=policy.base,
        endpoint=policy.endpoint,
        dtype=policy.dtype,
        device=policy.device,
        max_pixels=policy.max_pixels,
        voting=benchmark.voting,
        critiques=benchmark.critiques,
        seed=seed,
    )


def examined(model: str, bench: Bench, means: Means, benchmark: Benchmark, allow_leaks: bool, data: str) -> Examined:
    """Item-level results of the judge ``model``; a reward model is not examined on what a round trained on."""
    judge = choose(model, means)
    place, skip = results_place(data), benchmark.missing_images == "skip"
    if isinstance(judge, ScalarJudge) or _exported(judge):
        say(f"{bench.label}: compared with training data")
        cache = Path(data) / "cache" / LOOKS
        leaks = find_leaks(bench.items(), bench.image, Path(data) / "rounds", image_store(data), cache)
        refuse_leaks(bench.label, leaks, allow_leaks)
    return examine(judge, model, bench, place, benchmark.views, skip)


def _exported(judge: Judge) -> bool:
    """Whether it is a reward model that ``export_model`` wrote as a classifier."""
    from vlrm.evaluation.judges.classifier import ClassifierJudge
    from vlrm.reward.export import ABOUT

    return isinstance(judge, ClassifierJudge) and (Path(judge.base).parent / ABOUT).is_file()


def baselines_of(found: Examined, means: Means, place: Place) -> dict[str, Path]:
    """Judges that stand beside it: the text-only classifier, by which the controls are balanced (none where it has
    nothing to learn), and the majority of the critiques that a reward model read."""
    others = {}
    if (said := write_majority(found.run.file, found.run.file.with_name(MAJORITY))) is not None:
        others[CRITIQUES] = said
    if found.asked.model == TEXT_ONLY:
        return others
    try:
        judge = choose(TEXT_ONLY, means)
        return others | {TEXT_ONLY: examine(judge, TEXT_ONLY, found.bench, place).run.file}
    except UserError:
        return others


def evidence_view() -> EvidenceView:
    """What the detector rule's experts see; UserError where they are not installed."""
    from vlrm.evaluation.judges.detector_rule import DetectorRule

    rule = DetectorRule()
    return EvidenceView(rule.experts, rule.reliability)


def a_console() -> Console:
    """Wide where no terminal limits it, as in a log."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=WIDE)


def _told(console: Console, found: Examined) -> None:
    done = found.run
    views = ", ".join(found.asked.views)
    before = f", {done.items - done.asked} asked before" if done.asked < done.items else ""
    console.print(f"Judged    {done.items - done.refused} of {done.items} (each item by {views}{before})")
    if done.refused:
        console.print(f"[yellow]{done.refused} could not be judged; the first: {escape(str(done.problem))}[/yellow]")
