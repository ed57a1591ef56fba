"""Damaged and hostile atlases: the right answer or one sentence, never a wrong number or a traceback."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.atlas.test_damage import ANSWERS, answers, mutate, rewrite
from tests.conftest import write_small_atlas
from tests.torture.campaign import Outcome
from unitscope.errors import UnitscopeError

FLIPS, MUTATIONS = 5_000, 10_000


def campaign(folder: Path, scale: float) -> Iterator[Outcome]:
    """Yield the outcomes for flipped bits and for mutated manifests."""
    responses = np.random.default_rng(0).normal(size=(60, 300)).astype(np.float32)
    atlas = write_small_atlas(
        folder, responses, layers={"a": 20, "b": 280}, labels=["cat", "dog", "cat,dog"] * 20, shard_size=40
    )
    yield _flipped(atlas.path, max(20, round(FLIPS * scale)))
    yield _mutated(atlas.path, max(20, round(MUTATIONS * scale)))


def _flipped(atlas: Path, count: int) -> Outcome:
    outcome = Outcome(f"a bit of an atlas is flipped, {len(ANSWERS)} questions each")
    right, dice, refused = answers(atlas), random.Random(1), 0
    files = sorted(path for path in atlas.rglob("*") if path.is_file())
    for number in range(count):
        path = files[number % len(files)]
        before = path.read_bytes()
        changed = bytearray(before)
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
        path.write_bytes(changed)
        wrong = ""
        try:
            for name, answer in answers(atlas).items():
                error = isinstance(answer, UnitscopeError)
                refused += error
                wrong = wrong or ("" if error or answer == right[name] else f"{path.name}: {name} is another")
        except Exception as problem:
            wrong = f"{path.name}: {type(problem).__name__}: {problem}"
        outcome.check(not wrong, wrong)
        path.write_bytes(before)
    outcome.also = f"{refused:,} of {count * len(ANSWERS):,} answers refused, the others right"
    return outcome


def _mutated(atlas: Path, count: int) -> Outcome:
    outcome, dice = Outcome("a value of a manifest is replaced, its checksum renewed"), random.Random(2)
    whole, refused = (atlas / "manifest.json").read_text(), 0
    for number in range(count):
        try:
            rewrite(atlas, lambda values: mutate(values, dice))
            found = list(answers(atlas).values())
            lines = [str(answer) for answer in found if isinstance(answer, UnitscopeError) and "\n" in str(answer)]
            refused += any(isinstance(answer, UnitscopeError) for answer in found)
            outcome.check(not lines, f"{number}: several lines: {lines[:1]}")
        except Exception as problem:
            outcome.check(False, f"{number}: {type(problem).__name__}: {problem}")
        finally:
            (atlas / "manifest.json").write_text(whole)
    outcome.also = f"{refused:,} refused"
    return outcome
