"""Node that puts two judges side by side."""

from __future__ import annotations

from pathlib import Path

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.examine import Bench, Examined, bench_of
from vlrm.evaluation.benchmarks.results import Place, differences_table, slug
from vlrm.evaluation.judges.choose import choose
from vlrm.evaluation.measuring.paired import compare
from vlrm.evaluation.pages.page import write_comparison
from vlrm.lineage.files import write_json
from vlrm.pipelines.benchmark.nodes import a_console, baselines_of, examined, means_of, results_place
from vlrm.pipelines.benchmark.settings import Benchmark
from vlrm.pipelines.settings import Policy

Both = tuple[Examined, Examined]


def judge_items_twice(
    a: str | None,
    b: str | None,
    suite: str | None,
    images: str | None,
    benchmark: Benchmark,
    policy: Policy,
    allow_leaks: bool,
    seed: int,
    experiment: str,
    data: str,
) -> list[Both]:
    """Item-level results of both judges on ``suite``, or on every benchmark that both have sat."""
    if a is None or b is None:
        raise UserError(
            "two judges are compared: give --params a=NAME,b=NAME, each as model= is given (docs/judges.md)"
        )
    if suite is not None:
        benches = [bench_of(suite, benchmark.file, images, Path(data), seed, experiment)]
    else:
        benches = _sat_by_both(a, b, benchmark, policy, seed, experiment, data)
    found = []
    for bench in benches:
        means = means_of(bench, benchmark, policy, seed, experiment, data)
        one, other = (examined(model, bench, means, benchmark, allow_leaks, data) for model in (a, b))
        if one.asked.fingerprint == other.asked.fingerprint:
            raise UserError(f"a={a} and b={b} are the same judge ({one.asked.name}): name two")
        found.append((one, other))
    return found


def compare_judges(
    found: list[Both], benchmark: Benchmark, policy: Policy, seed: int, experiment: str, data: str
) -> Path:
    """Paired differences on each benchmark, as JSON, on a page and on the terminal."""
    place, console = results_place(data), a_console()
    comparisons = []
    for one, other in found:
        bench = one.bench
        baselines = baselines_of(one, means_of(bench, benchmark, policy, seed, experiment, data), place)
        judged = {_name(each, one, other): each.run.file for each in (one, other)}
        comparison = compare(bench.items(), judged, bench.suite, baselines=baselines, seed=seed)
        comparison = comparison.model_copy(update={"suite": bench.label})
        first, second = judged
        file = place.root / f"{bench.label}.{slug(first)}.against.{slug(second)}.json"
        write_json(file, comparison.model_dump(mode="json"))
        console.print(differences_table(comparison))
        console.print(f"Figures   {file}")
        comparisons.append(comparison)
    of = comparisons[0]
    page = write_comparison(place.page(of.first.model, "against", of.second.model), comparisons)
    console.print(f"Page      {page}")
    return place.root


def _name(each: Examined, one: Examined, other: Examined) -> str:
    """What a judge is called beside the other: with its fingerprint where both have one name."""
    return f"{each.asked.name} {each.asked.fingerprint[:8]}" if one.asked.name == other.asked.name else each.asked.name


def _sat_by_both(
    a: str, b: str, benchmark: Benchmark, policy: Policy, seed: int, experiment: str, data: str
) -> list[Bench]:
    """The benchmarks of which both have item-level results, as they are now: a new champion has none yet."""
    place, found = results_place(data), []
    runs = {one.label: one for one in place.asked() if one.seed == seed}
    for label, one in runs.items():
        bench = Bench(one.suite, one.file, one.images, one.seed)
        means = means_of(bench, benchmark, policy, seed, experiment, data)
        if all(_sat(place, label, choose(model, means).fingerprint) for model in (a, b)):
            found.append(bench)
    if not found:
        raise UserError(
            f"there is no benchmark that {a} and {b} have both sat: name one with suite=NAME, and both will sit it"
        )
    return found


def _sat(place: Place, label: str, fingerprint: str) -> bool:
    return place.judged(label, fingerprint).exists()
