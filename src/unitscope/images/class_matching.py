"""Match the labels of images to the classes of a network.

In: labels, and a network's class names and wnids. Out: class numbers of the labels that match. For images with other
labels, predictions are neither right nor wrong.
"""

from collections import Counter
from collections.abc import Iterable, Sequence


def match_classes(labels: Iterable[str], classes: Sequence[str], wnids: Sequence[str]) -> dict[str, int]:
    """Return class numbers by label, for labels that are a wnid or the name of exactly one class.

    Names are compared with `normalize_name`; a name of two classes ('crane') matches neither.
    """
    by_wnid = {wnid: number for number, wnid in enumerate(wnids)}
    by_name = _unambiguous(classes)
    numbers = {label: by_wnid.get(label, by_name.get(normalize_name(label))) for label in labels}
    return {label: number for label, number in numbers.items() if number is not None}


def _unambiguous(classes: Sequence[str]) -> dict[str, int]:
    names = [normalize_name(name) for name in classes]
    counts = Counter(names)
    return {name: number for number, name in enumerate(names) if counts[name] == 1}


def normalize_name(name: str) -> str:
    """Return a name in lower case, with single spaces in place of ``_`` and of runs of spaces, for comparison."""
    return " ".join(name.casefold().replace("_", " ").split())
