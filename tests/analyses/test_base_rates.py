"""How often units are chosen, in atlases written as scans write them."""

from dataclasses import dataclass

import numpy as np
import pytest

from unitscope import Above, Top, base_rate, open_atlas, shared
from unitscope.analyses.subjects import find_subject
from unitscope.atlas.parts import Part, Parts
from unitscope.atlas.schema import ImageList, Manifest
from unitscope.atlas.store import write_atlas
from unitscope.errors import AtlasError
from unitscope.summaries import Summary
from unitscope.units import Layer

LAYERS = (Layer(0, "relu", "activation", 4, (4, 2, 2)), Layer(1, "relu_1", "activation", 6, (6, 2, 2)))


@dataclass(frozen=True)
class Given(Parts):
    """Parts of responses that are there already."""

    responses: np.ndarray
    shard_size: int

    def read(self, shard):
        rows = self.responses[shard * self.shard_size : (shard + 1) * self.shard_size]
        ids = np.arange(shard * self.shard_size, shard * self.shard_size + len(rows))
        return Part(
            np.int64(ids[0]),
            rows,
            np.zeros((len(ids), 5), np.int32),
            np.zeros((len(ids), 5), np.float32),
            np.ones((len(ids), 2), np.int32),
            np.where(np.isnan(rows).all(1), "not an image", ""),
            Summary.of(rows[~np.isnan(rows).all(1)], ids[~np.isnan(rows).all(1)], k=2),
        )


def atlas_of(folder, responses, *, shard_size):
    parts = Given(folder / "parts", responses, shard_size)
    parts.folder.mkdir()
    ids = tuple(f"{number:05d}.png" for number in range(len(responses)))
    manifest = Manifest(
        {"reference": "planted", "fingerprint": "", "source": None},
        {},
        LAYERS,
        (),
        (),
        {"root": str(folder), "count": len(ids)},
        {"shard_size": shard_size, "top": 2},
        all_layers=LAYERS,
    )
    write_atlas(folder / "a", parts, manifest=manifest, images=ImageList(ids, ((),) * len(ids)))
    return open_atlas(folder / "a")


def planted(images):
    """Unit 3 of the second layer is always greatest, unit 0 in every third image above 5, the rest is noise."""
    responses = np.random.default_rng(0).random((images, 10), np.float32)
    responses[:, 4 + 3] += 100
    responses[::3, 4] += 5
    return responses


@pytest.mark.parametrize("pick", [Top(2), Above(0.7)])
def test_a_small_atlas_is_read_whole(tmp_path, pick):
    responses = planted(100)
    responses[7] = np.nan
    atlas = atlas_of(tmp_path, responses, shard_size=16)
    found = base_rate(atlas, "relu_1", pick)
    good = np.delete(responses[:, 4:], 7, 0)
    slow = [set(np.argsort(-row)[:2]) if pick == Top(2) else set(np.flatnonzero(row > 0.7)) for row in good]
    np.testing.assert_allclose(found.share, [np.mean([unit in one for one in slow]) for unit in range(6)])
    assert found.images == 99


@pytest.mark.parametrize("shard_size", [16, 100, 512, 4000])
def test_a_large_atlas_is_read_in_part_from_all_over(tmp_path, shard_size):
    responses = planted(3000)
    responses[:1500, 4 + 1] += 50  # half of the atlas, as folders in order are
    found = base_rate(atlas_of(tmp_path, responses, shard_size=shard_size), "act:2", Above(5.0))
    assert 900 <= found.images <= 1024
    np.testing.assert_allclose(found.share, [1 / 3, 0.5, 0, 1, 0, 0], atol=0.06)


def test_a_rule_tells_how_common_its_units_are(tmp_path):
    atlas = atlas_of(tmp_path, planted(60), shard_size=16)
    pick = Top(1)
    asked = [find_subject(atlas, name, "relu_1") for name in ("00001.png", "00002.png")]
    found = shared(asked, pick, base=base_rate(atlas, "relu_1", pick))
    assert found.units.tolist() == [3]
    assert found.base_rate.tolist() == [1]
    assert found.base_images == 60


def test_an_atlas_without_a_readable_image_has_no_rates(tmp_path):
    atlas = atlas_of(tmp_path, np.full((5, 10), np.nan, np.float32), shard_size=4)
    with pytest.raises(AtlasError, match="has no image that could be read"):
        base_rate(atlas, "relu", Top(1))
