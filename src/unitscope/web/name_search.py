"""Names like one that was typed with a mistake.

In: a word, names. Out: the closest names.
"""

import difflib
from collections.abc import Iterable

_CUTOFF, _MIN_WORD = 0.7, 4


def similar_names(word: str, names: Iterable[str], *, count: int = 5) -> tuple[str, ...]:
    """Return the names that are closest to a word, the closest first.

    A name is close if its `difflib` ratio to the word, or that of one of its words, is at least 0.7, ignoring case.
    """
    known: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        parts = [part for part in name.casefold().split() if len(part) >= _MIN_WORD]
        for text in {name.casefold(), *parts}:
            known.setdefault(text, []).append(name)
    close = difflib.get_close_matches(word.strip().casefold(), known, n=count, cutoff=_CUTOFF)
    return tuple(dict.fromkeys(name for text in close for name in known[text]))[:count]
