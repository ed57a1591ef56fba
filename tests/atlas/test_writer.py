"""Merging parts into an atlas."""

import weakref

import numpy as np

from tests.conftest import GivenParts


def test_merging_keeps_one_part_in_memory_at_a_time(make_atlas, monkeypatch):
    earlier, alive = [], []
    read = GivenParts.read

    def watched(self, shard):
        alive.append(sum(part() is not None for part in earlier))
        part = read(self, shard)
        earlier.append(weakref.ref(part.responses))
        return part

    monkeypatch.setattr(GivenParts, "read", watched)
    atlas = make_atlas(np.random.default_rng(0).random((40, 6)), shard_size=8)
    assert alive == [0] * 5
    assert len(atlas.images) == 40
    assert (atlas.images["error"] == "").all()
