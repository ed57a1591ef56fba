"""The format of an atlas: its files and its manifest (documented in docs/atlas-format.md).

In: an atlas folder. Out: its `Manifest`, which is stored as JSON.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from unitscope.atlas.checksums import StoredFile, check_sizes, crc32c, no_permission
from unitscope.atlas.storage import StoragePath
from unitscope.atlas.validation import check_manifest
from unitscope.errors import AtlasError, DamagedAtlasError, first_line
from unitscope.notebook import short_repr
from unitscope.plugins import network_name
from unitscope.units import Extent, Layer, ReceptiveField

SCHEMA_VERSION = 3
_READABLE = (1, 2, 3)  # files have no checksums in the first; there are no peaks before the third
MANIFEST, IMAGES, UNITS, ARRAYS = "manifest.json", "images.parquet", "units.parquet", "arrays.zarr"


@dataclass(frozen=True, slots=True)
class Label:
    """A label of the images: as read, as displayed, and the number of the network's class (None if it has none)."""

    label: str
    name: str
    network_class: int | None


@dataclass(frozen=True, slots=True)
class ImageList:
    """The images of an atlas: ids, and the label numbers of each image."""

    ids: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The metadata of an atlas.

    Attributes:
        network: reference, name, weights, fingerprint, parameters, the arguments that load it again (``source``), and
            the layers whose units are its classes (``class_layers``), which the first atlases don't name.
        preprocessing: parameters of the preprocessing φ.
        layers: the tapped layers, in the order of the unit axis.
        classes: the network's class names; may be empty.
        labels: the images' labels, in the order of the arrays' class axis.
        images: root, layout, count, failed, fingerprint of the data.
        scan: engine, batch size, shard size, number of exemplars, device.
        accuracy: numbers of labelled images and of correct Top-1 and Top-5 predictions; empty without labels.
        versions: versions of unitscope and the packages that it used.
        command: the command line.
        all_layers: all layers of the network, tapped or not.
        receptive_fields: the receptive fields of layers that have one, by layer name.
        files: size and checksum of each other file of the atlas, by relative path.
    """

    network: dict[str, Any]
    preprocessing: dict[str, Any]
    layers: tuple[Layer, ...]
    classes: tuple[str, ...]
    labels: tuple[Label, ...]
    images: dict[str, Any]
    scan: dict[str, Any]
    accuracy: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    command: str = ""
    all_layers: tuple[Layer, ...] = ()
    receptive_fields: dict[str, ReceptiveField] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)

    __repr__ = short_repr

    def to_json(self) -> str:
        """Return the manifest as JSON text."""
        values = asdict(self) | {
            "layers": [layer.to_dict() for layer in self.layers],
            "all_layers": [layer.to_dict() for layer in self.all_layers],
        }
        whole = {"schema_version": SCHEMA_VERSION, **values}
        return json.dumps({**whole, "crc32c": _checksum(whole)}, indent=1, ensure_ascii=False)

    @property
    def network_name(self) -> str:
        """The network's name in titles and results; in atlases of earlier versions, its reference without a folder."""
        return str(self.network.get("name") or network_name(self.network["reference"]))

    def accuracy_rates(self) -> dict[str, float]:
        """Return Top-1 and Top-5 accuracy over the labelled images; an empty dict without labels."""
        counts = self.accuracy
        return {name: counts[f"{name}_correct"] / counts["images"] for name in ("top1", "top5")} if counts else {}

    @classmethod
    def read(cls, folder: StoragePath) -> "Manifest":
        """Return the manifest of an atlas.

        Raises:
            AtlasError: if there is no atlas, it is damaged, or this version can't read its schema.
        """
        try:
            values = json.loads((folder / MANIFEST).read_text("utf-8"))
            if not isinstance(values, dict):
                raise ValueError("it holds no JSON object")
            expected = values.pop("crc32c", None)
            if expected is not None and expected != _checksum(values):
                raise ValueError("its values have another checksum than when they were written")
            version = values.pop("schema_version")
            if version in _READABLE:
                check_manifest(values)
                return cls._of(values)
        except (FileNotFoundError, NotADirectoryError):
            raise AtlasError(_no_atlas(folder)) from None
        except PermissionError:
            raise no_permission(folder / MANIFEST) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as problem:
            reason = first_line(problem)
            raise DamagedAtlasError(
                f"'{folder / MANIFEST}' is damaged ({reason}); copy it again, or scan again into a new folder"
            ) from problem
        raise AtlasError(
            f"atlas '{folder}' was written in schema {version}, but this version reads schemas 1 to 3; "
            "open it with the unitscope version named in its manifest"
        )

    def check(self) -> None:
        """Check that this manifest can be written and read back, before a scan takes hours.

        Raises:
            AtlasError: if it can't, for example for a path that is not valid Unicode.
        """
        try:
            values = json.loads(self.to_json().encode())
            check_manifest({name: value for name, value in values.items() if name not in ("schema_version", "crc32c")})
        except UnicodeEncodeError as problem:
            raise AtlasError(
                f"{_string_at(problem)!a} is not valid Unicode, so an atlas can't name it; rename the file or folder"
            ) from problem
        except ValueError as problem:
            raise AtlasError(f"the atlas of this scan could not be read: {first_line(problem)}") from problem

    def check_files(self, folder: StoragePath) -> None:
        """Check that all files of the atlas exist and have the right size.

        Raises:
            AtlasError: if a file is missing or has the wrong size; zarr would read a missing chunk as zeros.
        """
        check_sizes(folder, self.files)

    @classmethod
    def _of(cls, values: dict[str, Any]) -> "Manifest":
        return cls(
            **{
                **values,
                "layers": tuple(map(Layer.from_dict, values["layers"])),
                "all_layers": tuple(map(Layer.from_dict, values["all_layers"])),
                "classes": tuple(values["classes"]),
                "labels": tuple(Label(**label) for label in values["labels"]),
                "receptive_fields": {name: _field(one) for name, one in values.get("receptive_fields", {}).items()},
                "files": {name: _stored_file(one) for name, one in values.get("files", {}).items()},
            }
        )


def _string_at(problem: UnicodeEncodeError) -> str:
    """Return the string of a JSON text at which encoding failed."""
    text = problem.object
    return text[text.rfind('"', 0, problem.start) + 1 : text.find('"', problem.end)]


def _field(value: dict[str, dict[str, float]]) -> ReceptiveField:
    return ReceptiveField(Extent(**value["rows"]), Extent(**value["columns"]))


def _stored_file(value: Any) -> StoredFile:
    return StoredFile(**value) if isinstance(value, dict) else StoredFile(value)


def _checksum(values: dict[str, Any]) -> str:
    """Return the checksum of a manifest's values, whatever their layout in the file."""
    return f"{crc32c(json.dumps(values, sort_keys=True).encode()):08x}"


def is_taken(target: StoragePath) -> bool:
    """Return whether the target exists and is not an empty folder."""
    return target.exists() and not (target.is_dir() and not any(True for _ in target.iterdir()))


def check_not_taken(target: StoragePath) -> None:
    """Check that the target is free, an empty folder, or an atlas, of which the plan decides whether it is the same.

    Raises:
        AtlasError: if something else exists there, which is never replaced.
    """
    if is_taken(target) and not (target / MANIFEST).is_file():
        raise AtlasError(f"'{target}' already exists and is not an atlas; choose another path with -o")


def _no_atlas(folder: StoragePath) -> str:
    if not folder.exists():
        return f"no atlas at '{folder}'; make one with `unitscope scan NETWORK IMAGES -o {folder}`"
    return f"'{folder}' is not an atlas: it has no {MANIFEST}; make one with `unitscope scan NETWORK IMAGES -o ATLAS`"
