"""The items of a benchmark as compact arrays, read in one pass: no text of theirs is kept."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from vlrm.errors import UserError
from vlrm.evaluation.measuring.verdicts import Hashes, hash_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.bootstrap import Ints

TASKS = ("pair", "yes_no", "describe")


class Watcher(Protocol):
    """Something that keeps what it needs of each item as the items go by."""

    def see(self, item: Item, key: int) -> None:
        """``key``: the hash of the item's key."""
        ...


@dataclass(frozen=True)
class Sheet:
    """Aligned arrays [items] in the order of the file.

    Attributes:
        keys: hash of each key.
        task: index in :data:`TASKS`.
        better: index of the right answer, -1 where there is none (``describe``).
        category: index in ``categories``, which are in the order of their first items.
        image: hash of the image, or of the key where there is none.
        has_image: whether there is one.
        group: hash of the group that has to be right together, 0 for none.
        length: [items, 2]: Unicode characters of each answer.
    """

    keys: Hashes
    task: npt.NDArray[np.int8]
    better: npt.NDArray[np.int8]
    category: npt.NDArray[np.int16]
    categories: list[str]
    image: Hashes
    has_image: npt.NDArray[np.bool_]
    group: Hashes
    length: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def choices(self) -> npt.NDArray[np.bool_]:
        """Items that have a right answer."""
        return self.better >= 0

    @property
    def yes_no(self) -> npt.NDArray[np.bool_]:
        return self.task == TASKS.index("yes_no")

    @cached_property
    def clusters(self) -> Ints:
        """Cluster number of each item: items of one image or of one group are no independent draws."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        _, image = np.unique(self.image, return_inverse=True)
        grouped = np.flatnonzero(self.group)
        if not len(grouped):
            return np.asarray(image, dtype=np.int64)
        _, group = np.unique(self.group[grouped], return_inverse=True)
        first = int(image.max()) + 1
        size = first + int(group.max()) + 1
        edges = coo_array((np.ones(len(grouped)), (image[grouped], first + group)), shape=(size, size))
        _, component = connected_components(edges, directed=False)
        return np.asarray(component[image], dtype=np.int64)


def read_sheet(items: Iterable[Item], watchers: Sequence[Watcher] = ()) -> Sheet:
    """One pass over ``items``; ``watchers`` see each of them.

    Raises:
        UserError: there is no item, or two have the same key.
    """
    keys, images, groups = array("Q"), array("Q"), array("Q")
    tasks, betters, has_image = array("b"), array("b"), array("b")
    categories, lengths = array("h"), array("i")
    names: dict[str, int] = {}
    for item in items:
        key = hash_of(item.key)
        keys.append(key)
        tasks.append(TASKS.index(item.task))
        betters.append(-1 if item.better is None else item.better)
        categories.append(names.setdefault(item.category, len(names)))
        images.append(key if item.image is None else hash_of(item.image))
        has_image.append(item.image is not None)
        groups.append(0 if item.group is None else hash_of(item.group))
        lengths.extend([len(text) for text in item.responses] if len(item.responses) == 2 else (0, 0))
        for watcher in watchers:
            watcher.see(item, key)
    if not keys:
        raise UserError("The benchmark holds no item: check its file.")
    hashes = np.frombuffer(keys, dtype=np.uint64)
    if len(np.unique(hashes)) < len(hashes):
        raise UserError("Two items of the benchmark have the same key: its loader has to tell them apart.")
    return Sheet(
        keys=hashes,
        task=np.frombuffer(tasks, dtype=np.int8),
        better=np.frombuffer(betters, dtype=np.int8),
        category=np.frombuffer(categories, dtype=np.int16),
        categories=list(names),
        image=np.frombuffer(images, dtype=np.uint64),
        has_image=np.frombuffer(has_image, dtype=np.bool_),
        group=np.frombuffer(groups, dtype=np.uint64),
        length=np.frombuffer(lengths, dtype=np.int32).reshape(-1, 2),
    )
