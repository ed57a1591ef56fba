"""Read Keras's weight files: HDF5 in three layouts.

In: an ``.h5``, ``.weights.h5`` or ``.keras`` file, and the expected layers. Out: each layer's arrays, by the current
layer names of keras.applications. Independent of torch and of the meaning of the arrays.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unitscope.errors import NetworkError, require_file

if TYPE_CHECKING:
    import h5py

Layers = dict[str, "list[h5py.Dataset]"]
Wanted = Mapping[str, Sequence[str]]  # layer names in Keras's order, by class as the files write it: conv2d, dense, …

# The second name is that of Keras 2.13.
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_BEFORE_2019 = re.compile(r"(res|bn)([2-5])([a-f])_branch(1|2[abc])")
_OLD = {"conv1": "conv1_conv", "bn_conv1": "conv1_bn", "fc1000": "predictions", "probs": "predictions"}


@contextmanager
def opened(file: Path, wanted: Wanted) -> Iterator[Layers]:
    """Open a file and yield the arrays of each layer with weights, in Keras's order (kernel, bias).

    Raises:
        NetworkError: if there is no such file, it is damaged, or has no weights saved by Keras.
    """
    import h5py

    try:
        with h5py.File(_content(require_file(file)), "r") as root:
            yield _layers(root, file, wanted)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, zipfile.BadZipFile) as error:
        reason = str(error).strip("'\"").splitlines() or [type(error).__name__]
        raise NetworkError(f"'{file}' is not a Keras weight file, or is damaged ({reason[0][:120]})") from error


def _content(file: Path) -> Path | io.BytesIO:
    """Return what h5py can read: the file itself, or the weights inside a ``.keras`` archive."""
    if not zipfile.is_zipfile(file):
        return file
    with zipfile.ZipFile(file) as archive:
        return io.BytesIO(archive.read("model.weights.h5"))


def _layers(root: "h5py.File", file: Path, wanted: Wanted) -> Layers:
    by_layer = root.get("model_weights", root)
    if "layer_names" in by_layer.attrs:
        found = _by_name(by_layer)
    elif containers := [root[name] for name in _CONTAINERS if name in root]:
        found = _by_class(containers[0], wanted)
    else:
        raise NetworkError(
            f"'{file}' has no weights saved by Keras; save them with model.save_weights('NAME.weights.h5')"
        )
    return {_current_name(name): arrays for name, arrays in found.items() if arrays}


def _by_name(group: "h5py.Group") -> Layers:
    """The layout of keras.applications' own files, and of ``model.save('NAME.h5')``."""
    layers = {name: group[name] for name in _texts(group.attrs["layer_names"])}
    return {name: [layer[array] for array in _texts(layer.attrs["weight_names"])] for name, layer in layers.items()}


def _by_class(container: "h5py.Group", wanted: Wanted) -> Layers:
    """The layout of ``.weights.h5``: groups are named by class and number; the layer's name is an attribute."""
    counted = [(*_count(name), layer["vars"]) for name, layer in container.items() if "vars" in layer]
    counted.sort(key=lambda item: item[:2])
    named = {arrays.attrs["name"]: _numbered(arrays) for _, _, arrays in counted if "name" in arrays.attrs}
    if named.keys() & {name for names in wanted.values() for name in names}:
        return named
    # Older releases stored no names; then layers are matched by their order, as Keras does.
    layers: Layers = {}
    for kind, names in wanted.items():
        groups = [(number, arrays) for found, number, arrays in counted if found == kind]
        for index, (number, arrays) in enumerate(groups):
            layers[names[index] if index < len(names) else f"{kind}_{number}"] = _numbered(arrays)
    return layers


def _count(name: str) -> tuple[str, int]:
    """Return class and number of a group's name: ``conv2d`` is number 0, ``conv2d_1`` number 1."""
    kind, _, number = name.rpartition("_")
    return (kind, int(number)) if number.isdecimal() else (name, 0)


def _numbered(arrays: "h5py.Group") -> "list[h5py.Dataset]":
    return [arrays[str(number)] for number in range(len(arrays))]


def _texts(names: Sequence[str | bytes]) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _current_name(name: str) -> str:
    """Return the current name of a layer; ResNet-50's layers were renamed in 2019."""
    if match := _BEFORE_2019.fullmatch(name):
        kind, stage, block, branch = match.groups()
        number = 0 if branch == "1" else "abc".index(branch[1]) + 1
        return f"conv{stage}_block{'abcdef'.index(block) + 1}_{number}_{'conv' if kind == 'res' else 'bn'}"
    return _OLD.get(name, name)
