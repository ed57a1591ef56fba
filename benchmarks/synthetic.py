"""Synthetic atlases of any size, written like those of a scan, but without images and forward passes.

In: a folder and the number of images. Out: an atlas of ResNet-50's activation layers with ImageNet's classes, with
images in random order, as in ImageNet's validation set. Responses are not negative and depend on class and unit.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from unitscope.atlas.parts import Part, Parts
from unitscope.atlas.schema import ImageList, Label, Manifest
from unitscope.atlas.tables import TOP5
from unitscope.atlas.writer import write_atlas
from unitscope.summaries import Summary
from unitscope.version import versions

SHARD, TOP = 512, 9


@dataclass(frozen=True)
class MadeUp(Parts):
    """Parts that are generated when they are read, so that nothing is written twice."""

    units: int
    classes: np.ndarray  # of each image

    @cached_property
    def liked(self) -> np.ndarray:
        """Effect of each class on each unit's response: large for a few units, zero for most."""
        rng = np.random.default_rng(0)
        chosen = rng.random((self.classes.max() + 1, self.units), np.float32) < 0.05
        return np.where(chosen, rng.standard_exponential(chosen.shape, np.float32), np.float32(0))

    def read(self, shard: int) -> Part:
        """Return a shard's part."""
        ids = np.arange(shard * SHARD, min((shard + 1) * SHARD, len(self.classes)))
        rng = np.random.default_rng([1, shard])
        responses = rng.standard_normal((len(ids), self.units), np.float32)
        responses += self.liked[self.classes[ids]] - np.float32(0.3)
        np.maximum(responses, 0, out=responses)
        return Part(
            np.int64(ids[0]),
            responses,
            rng.integers(0, self.classes.max() + 1, (len(ids), TOP5), np.int32),
            np.full((len(ids), TOP5), 0.2, np.float32),
            np.full((len(ids), 2), (500, 375), np.int32),
            np.full(len(ids), ""),
            Summary.of(responses, ids, k=TOP),
        )


def write_made_up(target: Path, *, images: int) -> None:
    """Write an atlas of ``images`` images with ResNet-50's 22,720 units."""
    from unitscope import load
    from unitscope.graph import trace
    from unitscope.units import UnitIndex

    network = load("torchvision:resnet50", weights="none")
    layers = trace(network.module, network.preprocessing.size, name=network.reference).layers
    classes = np.random.default_rng(2).permutation(np.arange(images) % len(network.classes))
    parts = MadeUp(target.with_name(target.name + ".parts"), len(UnitIndex(layers.activations)), classes)
    parts.folder.mkdir(parents=True)
    labels = zip(network.wnids, network.classes, range(len(network.classes)), strict=True)
    write_atlas(
        target,
        parts,
        manifest=Manifest(
            network={"reference": network.reference, "fingerprint": network.fingerprint, "source": None},
            preprocessing=network.preprocessing.to_dict(),
            layers=layers.activations,
            all_layers=layers.layers,
            classes=network.classes,
            labels=tuple(Label(*each) for each in labels),
            images={"root": str(target), "layout": "imagenet-val", "count": images},
            scan={"shard_size": SHARD, "top": TOP},
            versions=versions(),
        ),
        images=ImageList(_ids(images), tuple((int(number),) for number in classes)),
    )


def _ids(images: int) -> tuple[str, ...]:
    return tuple(f"ILSVRC2012_val_{number + 1:08d}.JPEG" for number in range(images))


def drop_from_cache(folder: Path) -> None:
    """Drop the files of a folder from the system's cache, so that the next reader has to read them from disk."""
    os.sync()
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
