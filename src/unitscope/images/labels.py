"""From the images' labels to the network's classes.

In: label strings, class names, wnids. Out: which label is which class; labels that match none stay the user's own.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """Return the wnids of ImageNet's 1000 classes, in the order of their numbers."""
    return tuple((files("unitscope.images") / "wnids.txt").read_text("ascii").split())


def match_classes(labels: Iterable[str], classes: Sequence[str], wnids: Sequence[str]) -> dict[str, int]:
    """Return the class number of each label that is one of the network's classes, by wnid or by name.

    Case does not matter, nor do underscores for spaces. A name that two classes share (ImageNet has two kinds of
    ``crane``) matches neither.
    """
    plain = [_plain(name) for name in classes]
    counts = Counter(plain)
    known = {name: number for number, name in enumerate(plain) if counts[name] == 1}
    known |= {wnid: number for number, wnid in enumerate(wnids)}
    return {label: known[_plain(label)] for label in labels if _plain(label) in known}


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ")
