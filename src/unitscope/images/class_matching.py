"""Which class of a network a label means.

In: labels, and the class names and wnids of a network. Out: class numbers, for those that match.
Knows no network and no folder. What matches nothing stays a label without right or wrong.
"""

from collections import Counter
from collections.abc import Iterable, Sequence


def match_classes(labels: Iterable[str], classes: Sequence[str], wnids: Sequence[str]) -> dict[str, int]:
    """Return label → class number, for labels that are a wnid or the name of exactly one class.

    Case, ``_`` and spaces don't matter in names; a name that two classes share ('crane') matches neither.
    """
    by_wnid = {wnid: number for number, wnid in enumerate(wnids)}
    by_name = _unambiguous(classes)
    numbers = {label: by_wnid.get(label, by_name.get(plain(label))) for label in labels}
    return {label: number for label, number in numbers.items() if number is not None}


def _unambiguous(classes: Sequence[str]) -> dict[str, int]:
    names = [plain(name) for name in classes]
    counts = Counter(names)
    return {name: number for number, name in enumerate(names) if counts[name] == 1}


def plain(name: str) -> str:
    """Return a name as it is compared: case, ``_`` and spaces don't matter."""
    return " ".join(name.casefold().replace("_", " ").split())
