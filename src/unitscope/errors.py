"""What can go wrong through no fault of ours, said so that the user knows what to do next.

In: the value that was wrong and the values that would have been right.
Out: exceptions whose message is the whole story; the command line prints it without a traceback.
"""

import difflib
import re
from collections.abc import Collection, Iterable
from pathlib import Path

_IDLE, _NUMBERS = re.compile(r"\.[^./]*$|(?<!\d)0+(?=\d)"), re.compile(r"\d+")
_FEW = 3  # letters more, fewer or other


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


def closest(name: str, known: Iterable[str], *, count: int = 3, cutoff: float = 0.6) -> str:
    """Return the nearest matches as a phrase, ``"closest: 'a', 'b'"``; empty when nothing is near.

    Near is a ratio of `difflib` of the cutoff or above. For files, of which there may be many, see `closest_file`.
    """
    return _told(difflib.get_close_matches(name, list(dict.fromkeys(known)), n=count, cutoff=cutoff))


def closest_file(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return the nearest of files or image ids, as `closest` does.

    Near is the same name in another folder or format, or one that a slip of the keyboard explains. File names are alike
    in form and told apart by their numbers, so one with another number is not near.
    """
    wanted, files = _plain(name), {each: _plain(each) for each in dict.fromkeys(known)}
    moved = [each for each, plain in files.items() if plain.endswith(wanted) or wanted.endswith(plain)]
    return _told(moved[:count] or _slips(wanted, files, count))


def require_file(file: Path) -> Path:
    """Return the file.

    Raises:
        NetworkError: if it is not there; the message names its nearest siblings.
    """
    if file.is_file():
        return file
    if file.is_dir():
        raise NetworkError(f"'{file}' is a folder, not a file")
    siblings = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
    near = closest(file.name, siblings)
    raise NetworkError(f"no file '{file}'" + (f"; {near} in {file.parent}" if near else "; check the path"))


def first_line(problem: BaseException) -> str:
    """Return what another library's exception says, short enough for a sentence: its type and its first line."""
    return f"{type(problem).__name__}: {problem}".strip(": \n").splitlines()[0][:200]


def check_seeds(seeds: Collection[int]) -> None:
    """Check what random choices start from.

    Raises:
        UnitscopeError: if there is no seed, or one is negative, which NumPy's generators don't take.
    """
    if not seeds:
        raise UnitscopeError("chance needs one or more seeds, and none is given; give 0, for example")
    if min(seeds) < 0:
        raise UnitscopeError(f"a seed is a whole number from 0, not {min(seeds)}")


def _told(matches: list[str]) -> str:
    return "closest: " + ", ".join(f"'{match}'" for match in matches) if matches else ""


def _plain(file: str) -> str:
    """A path in small letters, without its suffix and without zeros before numbers."""
    return "/" + _IDLE.sub("", file.lower())


def _slips(wanted: str, files: dict[str, str], count: int) -> list[str]:
    """Files whose path is a few letters away; what is cheap to see is looked at first, as there may be many."""
    start, end, letters, numbers = wanted[:_FEW], wanted[-_FEW:], set(wanted), _NUMBERS.findall(wanted)
    near = {
        plain: each
        for each, plain in files.items()
        if abs(len(plain) - len(wanted)) <= _FEW
        and (plain.startswith(start) or plain.endswith(end))
        and len(letters.symmetric_difference(plain)) <= _FEW
        and _NUMBERS.findall(plain) == numbers
    }
    return [near[plain] for plain in difflib.get_close_matches(wanted, near, n=count, cutoff=0.8)]
