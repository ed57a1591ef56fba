"""What can go wrong through no fault of ours, said so that the user knows what to do next.

In: the value that was wrong and the values that would have been right.
Out: exceptions whose message is the whole story; the command line prints it without a traceback.
"""

import difflib
from collections.abc import Iterable


class UnitscopeError(Exception):
    """Base of all errors that the user can mend; its text says what was wrong and what to do."""


class NetworkError(UnitscopeError):
    """A network that can't be found, loaded, traced or given its weights."""


class LayerError(UnitscopeError, LookupError):
    """A layer or unit that the network or the atlas does not have."""


class ImageError(UnitscopeError):
    """An image, or a folder of them, that can't be read."""


class AtlasError(UnitscopeError):
    """An atlas that is missing, damaged, stale, or would be overwritten."""


def closest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return the nearest matches as a phrase, ``"closest: 'a', 'b'"``; empty when nothing is near."""
    matches = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=count, cutoff=0.5)
    return "closest: " + ", ".join(f"'{match}'" for match in matches) if matches else ""
