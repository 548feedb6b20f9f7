"""One judge on one benchmark: what has to be there, the judging itself, and the figures of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks import embedded
from vlrm.evaluation.benchmarks.results import EMBEDDED, Asked, label_of
from vlrm.evaluation.benchmarks.run import Run, run
from vlrm.evaluation.benchmarks.suites import image_file, load, missing_images, suite
from vlrm.evaluation.measuring.figures import figures_of
from vlrm.evaluation.measuring.mistakes import Shown
from vlrm.images import decode_image, open_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.results import Place
    from vlrm.evaluation.judges.protocol import Judge, View
    from vlrm.evaluation.measuring.mistakes import Show
    from vlrm.evaluation.measuring.result import Result
    from vlrm.evaluation.pages.evidence_view import EvidenceView

_NAMED = 3


@dataclass(frozen=True)
class Bench:
    """A benchmark as it is read here: suite, file, folder of images, and the seed of suites that draw questions."""

    suite: str
    file: str
    images: str | None
    seed: int = 0

    @property
    def label(self) -> str:
        return label_of(self.suite, self.file)

    def items(self) -> Iterator[Item]:
        return load(self.suite, self.file, self.images, self.seed)

    def image(self, item: Item) -> Image.Image | None:
        """The item's image, None where it is about none or it cannot be read."""
        try:
            if isinstance(item.image, bytes):
                return decode_image(item.image, f"Image of {item.id}")
            path = image_file(item.image, self.images) if item.image is not None else None
            return None if path is None else open_image(path)
        except UserError:
            return None

    def show(self, view: EvidenceView | None) -> Show:
        """How items are shown among the mistakes: their image, with ``view`` also what experts see in it."""
        return lambda item: Shown(self.image(item)) if view is None else view.shown(item, self.image(item))


@dataclass(frozen=True)
class Examined:
    """A judge's item-level results, and what was asked to get them."""

    bench: Bench
    asked: Asked
    run: Run


def bench_of(
    name: str | None, file: str | None, images: str | None, data: Path, seed: int, experiment: str = "default"
) -> Bench:
    """The benchmark of a suite's name; its files lie in ``01_raw/benchmarks/<suite>`` of ``data`` or where ``file``
    says, the exam of the suite ``embedded`` in round 0 of ``experiment`` and its images in the store.

    Raises:
        UserError: no suite of this name, or no files of it.
    """
    if name is None:
        raise UserError("no benchmark is named: give --params suite=NAME (docs/benchmarks.md lists them)")
    known = suite(name)
    if known.name == EMBEDDED and file is None:
        return _own_exam(data, experiment, seed)
    default = data / "01_raw" / "benchmarks" / known.name
    if file is None and not default.is_dir():
        raise UserError(
            f"the files of {known.name} are not in {default}: put {' or '.join(known.files)} there, or give "
            "--params benchmark.file=FILE"
        )
    found = default if file is None else Path(str(file)).expanduser()
    folder = None if images is None else str(Path(str(images)).expanduser())
    return Bench(known.name, str(found), folder, seed)


def _own_exam(data: Path, experiment: str, seed: int) -> Bench:
    exam = data / "rounds" / experiment / "00" / embedded.FILE
    if not exam.is_file():
        raise UserError(
            f"experiment '{experiment}' has no exam ({exam}): run kedro run --pipelines iterate first, or name another "
            "with --params experiment=NAME"
        )
    return Bench(EMBEDDED, str(exam), str(data / "01_raw" / "images"), seed)


def examine(
    judge: Judge, model: str, bench: Bench, place: Place, views: Sequence[View] = ("image",), skip_missing: bool = False
) -> Examined:
    """Ask ``judge`` about every item that it was not asked about before, and keep what it says under ``place``.

    ``skip_missing``: judge the items whose images are at hand, where some are not.

    Raises:
        UserError: images are not at hand, or nothing could be judged.
    """
    if judge.looks and not skip_missing:
        _refuse_missing(bench)
    asked = Asked(
        suite=bench.suite, label=bench.label, file=bench.file, images=bench.images, seed=bench.seed, model=model,
        name=judge.name, fingerprint=judge.fingerprint, views=list(views) if judge.looks else ["image"],
    )  # fmt: skip
    folder = place.judge(bench.label, judge.fingerprint)
    done = run(judge, bench.items(), folder, bench.images, views, bench.seed)
    place.finished(asked)
    return Examined(bench, asked, done)


def measured(examined: Examined, baselines: Mapping[str, Path], seed: int, view: EvidenceView | None = None) -> Result:
    """The figures of a judge; ``baselines``: item-level results of other judges that stand beside it."""
    bench, asked = examined.bench, examined.asked
    result = figures_of(
        bench.items(), examined.run.file, bench.suite, model=asked.name, fingerprint=asked.fingerprint,
        baselines=baselines, show=bench.show(view), seed=seed,
    )  # fmt: skip
    return result.model_copy(update={"suite": bench.label})


def _refuse_missing(bench: Bench) -> None:
    names, count = missing_images(bench.items(), bench.images)
    if not count:
        return
    shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    where = f"not in {bench.images}" if bench.images else "in no folder that was given"
    raise UserError(
        f"{len(names)} images of {bench.suite}, which {count} items are about, are {where} ({shown}): give "
        "--params images=FOLDER, or judge the other items with benchmark.missing_images=skip"
    )
