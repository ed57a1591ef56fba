"""The form of an atlas: its files and its manifest (docs/atlas-format.md tells it to people).

In and out: `Manifest`, to and from JSON.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from unitscope.atlas.storage import StoragePath, sizes_in
from unitscope.errors import AtlasError, first_line
from unitscope.units import Layer

SCHEMA_VERSION = 1
MANIFEST, IMAGES, UNITS, ARRAYS = "manifest.json", "images.parquet", "units.parquet", "arrays.zarr"


@dataclass(frozen=True, slots=True)
class Label:
    """A label of the images: as found, as shown, and the network's class that it is (None where it is none)."""

    label: str
    name: str
    network_class: int | None


@dataclass(frozen=True, slots=True)
class ImageList:
    """The images of an atlas: ids, and the numbers of each one's labels."""

    ids: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that an atlas says of itself.

    Attributes:
        network: reference, weights, fingerprint, parameters, and the arguments that load it again (``source``).
        preprocessing: φ, as its values.
        layers: the tapped layers, side by side in this order on the unit axis.
        classes: the network's class names; may be empty.
        labels: the images' labels; their order is the class axis of the arrays.
        images: root, layout, count, failed, fingerprint of the data.
        scan: engine, batch size, shard size, k of the exemplars, device.
        accuracy: whole numbers: labelled images, Top-1 and Top-5 right; empty without labels.
        versions: of unitscope and what it ran on.
        command: the command line.
        all_layers: every layer of the network, tapped or not.
        files: the size in bytes of every other file of the atlas, by its path in it.
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
    files: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the manifest as JSON text."""
        values = asdict(self) | {
            "layers": [layer.to_dict() for layer in self.layers],
            "all_layers": [layer.to_dict() for layer in self.all_layers],
        }
        return json.dumps({"schema_version": SCHEMA_VERSION, **values}, indent=1, ensure_ascii=False)

    def accuracy_rates(self) -> dict[str, float]:
        """Return Top-1 and Top-5 as shares of the labelled images; nothing without labels."""
        right = self.accuracy
        return {name: right[f"{name}_correct"] / right["images"] for name in ("top1", "top5")} if right else {}

    @classmethod
    def read(cls, folder: StoragePath) -> "Manifest":
        """Return the manifest of an atlas.

        Raises:
            AtlasError: if there is no atlas, or it is damaged, or of a schema that this version can't read.
        """
        try:
            values = json.loads((folder / MANIFEST).read_text("utf-8"))
            version = values.pop("schema_version")
            if version == SCHEMA_VERSION:
                return cls._of(values)
        except (FileNotFoundError, NotADirectoryError):
            raise AtlasError(_no_atlas(folder)) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            told = first_line(problem)
            raise AtlasError(f"'{folder / MANIFEST}' is damaged ({told}); scan again into a new folder") from problem
        raise AtlasError(
            f"atlas '{folder}' was written by schema {version}, this version reads {SCHEMA_VERSION}; "
            "open it with the unitscope version named in its manifest"
        )

    def refuse_damaged(self, folder: StoragePath) -> None:
        """Check that all files of the atlas are there, whole.

        Raises:
            AtlasError: if one is missing or has another size: an array would read as zeros where its file is missing.
        """
        found = sizes_in(folder) if self.files else {}
        for name, size in self.files.items():
            has = found.get(name)
            if has != size:
                what = "is missing" if has is None else f"has {has:,} bytes, not {size:,}"
                raise AtlasError(
                    f"atlas '{folder}' is damaged: {name} {what}; copy it once more, or scan again into a new folder"
                )

    @classmethod
    def _of(cls, values: dict[str, Any]) -> "Manifest":
        return cls(
            **{
                **values,
                "layers": tuple(map(Layer.from_dict, values["layers"])),
                "all_layers": tuple(map(Layer.from_dict, values["all_layers"])),
                "classes": tuple(values["classes"]),
                "labels": tuple(Label(**label) for label in values["labels"]),
            }
        )


def check_not_taken(target: StoragePath) -> None:
    """Check that nothing but an atlas lies where one is to be made; whether it is the same one, its plan tells.

    Raises:
        AtlasError: if there is something else, which is never replaced.
    """
    if target.exists() and not (target / MANIFEST).is_file():
        raise AtlasError(f"'{target}' is there already and is no atlas; choose another -o for the atlas to make")


def _no_atlas(folder: StoragePath) -> str:
    if not folder.exists():
        return f"no atlas at '{folder}'; make one with `unitscope scan NETWORK IMAGES -o {folder}`"
    return f"'{folder}' is no atlas: it has no {MANIFEST}; make one with `unitscope scan NETWORK IMAGES -o ATLAS`"
