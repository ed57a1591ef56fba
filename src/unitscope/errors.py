"""Errors that the user can fix, and helpers for their messages.

In: a wrong value and the valid ones. Out: exceptions whose message says what is wrong, what was given and what to do.
The command line prints the message without a traceback.
"""

import difflib
import re
from collections.abc import Collection, Iterable
from pathlib import Path

_SUFFIX_OR_ZEROS, _NUMBERS = re.compile(r"\.[^./]*$|(?<!\d)0+(?=\d)"), re.compile(r"\d+")
_MAX_EDITS = 3  # letters added, missing or changed


class UnitscopeError(Exception):
    """Base class of all errors that the user can fix; the message says what is wrong and what to do."""


class NetworkError(UnitscopeError):
    """A network that can't be found, loaded or traced, or whose weights don't fit."""


class LayerError(UnitscopeError, LookupError):
    """A layer or unit that does not exist in the network or the atlas."""


class ImageError(UnitscopeError):
    """An image, or a folder of them, that can't be read."""


class ImageTooLargeError(ImageError):
    """An image of more pixels than are decoded."""


class ImageOutsideError(ImageError):
    """A file outside the folder of the images, which only an atlas names."""


class UnknownImageError(ImageError, LookupError):
    """An image that the atlas does not have."""


class UnknownClassError(UnitscopeError, LookupError):
    """A class of images that the atlas does not have."""


class ImageAccessError(ImageError):
    """An image that can't be opened or read: it is gone, permission is denied, or a disk or network fails.

    A second try may succeed. An image that can be read but not decoded is a plain `ImageError`.
    """


class AtlasError(UnitscopeError):
    """An atlas that is missing, damaged, stale, or would be overwritten."""


class DamagedAtlasError(AtlasError):
    """An atlas whose files are missing or changed."""


class UntappedLayerError(AtlasError, LookupError):
    """A layer of the network that the scan of the atlas did not tap."""


class NotesError(UnitscopeError):
    """Notes can't be read, or not be changed so."""


class BusyError(UnitscopeError):
    """A server that has too much to do; the request may be sent again in a few seconds."""


class WriteError(UnitscopeError):
    """A file that can't be written, since the disk is full or read-only."""


def closest(name: str, known: Iterable[str], *, count: int = 3, cutoff: float = 0.6) -> str:
    """Return the closest matches as a phrase, ``"closest: 'a', 'b'"``; empty if there are none.

    A match has a `difflib` ratio of at least ``cutoff``. For file names, of which there may be many, use
    `closest_file`.
    """
    return _phrase(difflib.get_close_matches(name, list(dict.fromkeys(known)), n=count, cutoff=cutoff))


def closest_file(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return the closest matches among file names or image ids as a phrase, like `closest`.

    A match is the same name in another folder or format, or a name with a typing error. Names whose numbers differ
    never match, since many file names differ in their number only.
    """
    wanted, files = _normalized(name), {each: _normalized(each) for each in dict.fromkeys(known)}
    moved = [each for each, normal in files.items() if normal.endswith(wanted) or wanted.endswith(normal)]
    return _phrase(moved[:count] or _misspelled(wanted, files, count))


def require_file(file: Path) -> Path:
    """Return the path of a file that exists.

    Raises:
        NetworkError: if there is no such file; the message names the closest matches in its folder.
    """
    if file.is_file():
        return file
    if file.is_dir():
        raise NetworkError(f"'{file}' is a folder, not a file; give the path of a file")
    siblings = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
    near = closest(file.name, siblings)
    raise NetworkError(f"no file '{file}'" + (f"; {near} in {file.parent}" if near else "; check the path"))


def first_line(problem: BaseException) -> str:
    """Return the type and the first line of another library's exception, short enough to quote in a sentence."""
    return f"{type(problem).__name__}: {problem}".strip(": \n").splitlines()[0][:200]


def check_seeds(seeds: Collection[int]) -> None:
    """Check the seeds of random choices.

    Raises:
        UnitscopeError: if there is no seed, or one is negative, which NumPy's generators reject.
    """
    if not seeds:
        raise UnitscopeError("no seed was given; give one or more, for example 0")
    if min(seeds) < 0:
        raise UnitscopeError(f"seeds must be 0 or greater, not {min(seeds)}")


def _phrase(matches: list[str]) -> str:
    return "closest: " + ", ".join(f"'{match}'" for match in matches) if matches else ""


def _normalized(file: str) -> str:
    """Return a path in lower case, without its suffix and without leading zeros."""
    return "/" + _SUFFIX_OR_ZEROS.sub("", file.lower())


def _misspelled(wanted: str, files: dict[str, str], count: int) -> list[str]:
    """Return files whose path differs in a few letters; cheap checks come first, since there may be many files."""
    start, end = wanted[:_MAX_EDITS], wanted[-_MAX_EDITS:]
    letters, numbers = set(wanted), _NUMBERS.findall(wanted)
    near = {
        normal: each
        for each, normal in files.items()
        if abs(len(normal) - len(wanted)) <= _MAX_EDITS
        and (normal.startswith(start) or normal.endswith(end))
        and len(letters.symmetric_difference(normal)) <= _MAX_EDITS
        and _NUMBERS.findall(normal) == numbers
    }
    return [near[normal] for normal in difflib.get_close_matches(wanted, near, n=count, cutoff=0.8)]
