"""ImageNet's validation layout: ``ILSVRC2012_val_00000001.JPEG`` …, with labels in one of four kinds of files.

In: a folder and the ids in it. Out: each image's wnid. The files are looked for in the folder and up to four above.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from unitscope.errors import ImageError
from unitscope.images.labels import imagenet_wnids

Labels = tuple[tuple[str, ...], ...]

_NAME = re.compile(r"(?:.*/)?(ILSVRC2012_val_(\d{8}))\.jpe?g", re.IGNORECASE)
_WNID_IN_XML = re.compile(r"<name>\s*(n\d{8})\s*</name>")
_FOLDERS_UP = 4


def is_validation(name: str) -> bool:
    """Tell whether a file is named as ImageNet's validation images are and lies in no class folder."""
    return bool(_NAME.fullmatch(name)) and not re.search(r"(^|/)n\d{8}/", name)


def labels(root: Path, ids: Sequence[str]) -> Labels:
    """Return each image's wnid; none where no label file is found.

    Raises:
        ImageError: if a label file is there and can't be read.
    """
    resolved = root.resolve()
    for folder in (resolved, *resolved.parents[:_FOLDERS_UP]):
        for read in _READERS:
            if known := read(folder, ids):
                return tuple(_known(known, name) for name in ids)
    return ((),) * len(ids)


def _known(known: Mapping[str, str], name: str) -> tuple[str, ...]:
    wnid = known.get(_stem(name))
    return (wnid,) if wnid else ()


def _stem(name: str) -> str:
    return Path(name).stem


def _kaggle(folder: Path, ids: Sequence[str]) -> dict[str, str]:
    """``LOC_val_solution.csv``: ``ILSVRC2012_val_00048981,n03995372 85 1 499 272``."""
    file = folder / "LOC_val_solution.csv"
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as lines:
        return {row[0]: row[1].split()[0] for row in csv.reader(lines) if len(row) > 1 and row[1].startswith("n")}


def _xml(folder: Path, ids: Sequence[str]) -> dict[str, str]:
    """``Annotations/CLS-LOC/val/NAME.xml``, as ImageNet's boxes come."""
    annotations = folder / "Annotations" / "CLS-LOC" / "val"
    if not annotations.is_dir():
        return {}
    known = {}
    for stem in map(_stem, ids):
        file = annotations / f"{stem}.xml"
        if file.is_file() and (match := _WNID_IN_XML.search(file.read_text("utf-8"))):
            known[stem] = match[1]
    return known


def _devkit(folder: Path, ids: Sequence[str]) -> dict[str, str]:
    """The official devkit: one class number a line, and ``meta.mat`` from those numbers to wnids."""
    data = folder / "ILSVRC2012_devkit_t12" / "data"
    truth = data / "ILSVRC2012_validation_ground_truth.txt"
    if not truth.is_file():
        return {}
    wnids = _meta(data / "meta.mat")
    lines = truth.read_text("ascii").split()
    return {f"ILSVRC2012_val_{number:08d}": wnids[int(line)] for number, line in enumerate(lines, 1)}


def _meta(file: Path) -> dict[int, str]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise ImageError(f"reading '{file}' needs SciPy; run `pip install scipy`") from None
    try:
        synsets = loadmat(str(file), squeeze_me=True)["synsets"]
        return {int(entry["ILSVRC2012_ID"]): str(entry["WNID"]) for entry in synsets}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ImageError(f"'{file}' is not the devkit's meta.mat ({problem}); unpack the devkit again") from problem


def _caffe(folder: Path, ids: Sequence[str]) -> dict[str, str]:
    """``val.txt``: a name and a class number (or a wnid) a line, as Caffe has it."""
    file = folder / "val.txt"
    if not file.is_file():
        return {}
    wnids = imagenet_wnids()
    known = {}
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        name, _, value = line.strip().rpartition(" ")
        if not name:
            continue
        if not (value.startswith("n") or (value.isdecimal() and int(value) < len(wnids))):
            raise ImageError(f"line {number} of '{file}' is not NAME CLASS with a class from 0 to 999: '{line.strip()}'")
        known[_stem(name)] = value if value.startswith("n") else wnids[int(value)]
    return known


_READERS: tuple[Callable[[Path, Sequence[str]], dict[str, str]], ...] = (_kaggle, _xml, _devkit, _caffe)
