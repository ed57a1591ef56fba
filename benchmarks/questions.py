"""Time and memory of analyses of an atlas as large as ImageNet's, each in a new process.

In: a synthetic atlas of 50,000 images × 22,720 units (4.5 GB; see `benchmarks.synthetic`). Out: a table, and with
``--write`` a section of RESULTS.md.

Time is measured from after all imports to the result, including opening the atlas and reading its tables. It is
measured with the atlas's files in the system's cache, as in a session, and without, as after a restart. Memory is the
growth of the process, including mapped pages of the atlas's files.
"""

import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.common import in_fresh_process, machine, parser, write_section

if TYPE_CHECKING:
    from unitscope.atlas import Atlas

AIM = 1.0
LAYER = "act:-1"
QUESTIONS = {
    "selection": "the 9 greatest units of an image",
    "rule": "units that two images share, and how often each is chosen in other images",
    "rule-class": "units chosen in at least 40 of a class's 50 images, and how often in other images",
    "similarity": "cosines of 12 images",
    "similarity-class": "cosines of two classes, 50 images each",
    "nearest": "the 9 images most like an image, of all",
    "sparsity": "zeros, histograms and indices of a layer and three classes",
    "depth": "the indices of all 49 layers",
}


def main() -> None:
    """Run all analyses in turn, over several rounds, and print the medians."""
    arguments = parser("questions", __doc__)
    arguments.add_argument(
        "--atlas", type=Path, metavar="ATLAS", help="created if it does not exist; by default a temporary one"
    )
    arguments.add_argument("--images", type=int, default=50_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--questions", nargs="+", choices=QUESTIONS, default=list(QUESTIONS))
    given = arguments.parse_args()
    if given.case:
        print(json.dumps(_run_case(**given.case)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        atlas = given.atlas or Path(temporary) / "made-up.atlas"
        if not atlas.exists():
            print("making the atlas", flush=True)
            in_fresh_process("benchmarks.questions", {"question": "make", "atlas": str(atlas), "images": given.images})
        text = _table({question: _measure(question, atlas, given.rounds) for question in given.questions}, atlas)
    print(text)
    if given.write:
        write_section("Questions", text)


def _measure(question: str, atlas: Path, rounds: int) -> dict[str, float]:
    """Return medians of the rounds: first those from the cache, which an extra round fills, then those from disk."""
    case = {"question": question, "atlas": str(atlas)}
    in_fresh_process("benchmarks.questions", case)
    warm = [in_fresh_process("benchmarks.questions", case) for _ in range(rounds)]
    cold = [in_fresh_process("benchmarks.questions", {**case, "cold": True}) for _ in range(rounds)]
    found = {name: median(each[name] for each in warm) for name in warm[0]}
    found |= {"cold": median(each["wall"] for each in cold), "worst": max(each["wall"] for each in warm)}
    print(question, {name: round(value, 3) for name, value in found.items()}, flush=True)
    return found


def _table(found: dict[str, dict[str, float]], atlas: Path) -> str:
    size = sum(path.stat().st_size for path in atlas.rglob("*") if path.is_file())
    images = json.loads((atlas / "manifest.json").read_text("utf-8"))["images"]["count"]
    lines = [
        machine(),
        "",
        f"A made-up atlas of {images:,} images × 22,720 units (ResNet-50's 49 activation layers), {size / 1e9:.1f} GB, "
        "its images in random order. Questions about the last layer (2,048 units), from Python, without imports.",
        "",
        "| question | what | seconds | greatest | of processors | from the disk | MiB |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{question}` | {QUESTIONS[question]} | {each['wall']:.2f} | {each['worst']:.2f} | {each['cpu']:.2f} "
        f"| {each['cold']:.2f} | {each['memory']:,.0f} |"
        for question, each in found.items()
    ]
    slowest = max(each["wall"] for each in found.values())
    return "\n".join([*lines, "", f"The slowest took {slowest:.2f} s (aim ≤ {AIM:.0f} s)."])


def _run_case(question: str, atlas: str, images: int = 0, *, cold: bool = False) -> dict[str, float]:
    """Run one analysis in this process."""
    if question == "make":
        from benchmarks.synthetic import write_made_up

        write_made_up(Path(atlas), images=images)
        return {}
    ask = _questions()[question]
    from unitscope.atlas import open_atlas

    if cold:
        from benchmarks.synthetic import drop_from_cache

        drop_from_cache(Path(atlas))
    before, wall, cpu = _peak(), time.perf_counter(), time.process_time()
    ask(open_atlas(atlas))
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "memory": _peak() - before,
    }


def _questions() -> dict[str, Callable[["Atlas"], Any]]:
    """Return the analyses by name; import everything here, including modules that libraries load lazily."""
    import pyarrow.parquet  # noqa: F401
    import zarr  # noqa: F401

    from unitscope.analyses import unit_rules as rules
    from unitscope.analyses.image_groups import ImageGroup, image_group
    from unitscope.analyses.nearest_images import nearest_images
    from unitscope.analyses.selection import TopK, select
    from unitscope.analyses.selection_frequency import base_rate
    from unitscope.analyses.similarity import similarity
    from unitscope.analyses.sparsity import sparsity
    from unitscope.analyses.sparsity_by_layer import sparsity_by_layer

    nine = TopK(9)

    def images(atlas: "Atlas", count: int) -> list[ImageGroup]:
        names = (f"ILSVRC2012_val_{1 + number * len(atlas.images) // count:08d}.JPEG" for number in range(count))
        return [image_group(atlas, name, LAYER) for name in names]

    def classes(atlas: "Atlas", *names: str) -> list[ImageGroup]:
        return [image_group(atlas, f"class:{name}", LAYER) for name in names]

    return {
        "selection": lambda atlas: select(images(atlas, 1)[0], nine),
        "rule": lambda atlas: rules.intersection(images(atlas, 2), nine, base=base_rate(atlas, LAYER, nine)),
        "rule-class": lambda atlas: rules.intersection(
            classes(atlas, "Siamese cat"), nine, at_least=40, base=base_rate(atlas, LAYER, nine)
        ),
        "similarity": lambda atlas: similarity(images(atlas, 12)),
        "similarity-class": lambda atlas: similarity(classes(atlas, "Siamese cat", "Chihuahua")),
        "nearest": lambda atlas: nearest_images(atlas, images(atlas, 1)[0]),
        "sparsity": lambda atlas: sparsity(atlas, LAYER, ["Siamese cat", "Chihuahua", "ant"]),
        "depth": sparsity_by_layer,
    }


def _peak() -> float:
    """Return the peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


if __name__ == "__main__":
    main()
