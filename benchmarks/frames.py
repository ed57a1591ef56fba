"""Frames a second of the camera and the lab, against the graph that multiplied and kept the maps of every layer.

In: EfficientNet-Lite0 and one photograph. Out: a table, and ``RESULTS.md`` if asked for. Both ways run in turns in one
process, so that what else the machine does disturbs both alike.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.common import machine, parser, write_section

ROUNDS = 40


def main() -> None:
    """Time a frame in each way and print the medians."""
    arguments = parser("frames", __doc__)
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    given = arguments.parse_args()
    camera, lab = _ways()
    lines = [
        machine(),
        "",
        "A frame of 480 × 360 pixels to the units of one layer (camera) or of 13 layers with 40 units removed (lab), "
        f"medians of {given.rounds} turns each.",
        "",
        "| page | every layer masked, ms | session, ms | times as many frames |",
        "|---|---:|---:|---:|",
        *(_row(name, ways, given.rounds) for name, ways in (("camera", camera), ("lab", lab))),
    ]
    print("\n".join(lines))
    if given.write:
        write_section("Frames", "\n".join(lines))


def _row(name: str, ways: tuple[Callable[[], Any], Callable[[], Any]], rounds: int) -> str:
    times: list[list[float]] = [[], []]
    for _ in range(rounds + 2):
        for way, taken in zip(ways, times, strict=True):
            started = time.perf_counter()
            way()
            taken.append(1000 * (time.perf_counter() - started))
    before, after = (median(taken[2:]) for taken in times)
    return f"| {name} | {before:.1f} | {after:.1f} | {before / after:.2f} |"


def _ways() -> tuple[tuple[Callable[[], Any], Callable[[], Any]], tuple[Callable[[], Any], Callable[[], Any]]]:
    import torch
    from PIL import Image

    import unitscope
    from unitscope.demo.photographs import photograph
    from unitscope.display.structure import Change
    from unitscope.engine.session import Session
    from unitscope.inspection.structure import column_of, evenly_spaced_layers, structure

    session = Session(unitscope.load("package:efficientnet-lite0"))
    frame = Image.fromarray(photograph("chelsea")).resize((480, 360))
    layers, phi = session.layers.activations, session.network.preprocessing
    change = Change({layers[10].name: tuple(range(40))})
    everywhere = session.trace.tapped(maps=layers, masks=layers)

    def masked(shown: tuple[Any, ...], removed: Change) -> None:
        """As pages ran before sessions: the plain graph, a mask and a map at every layer."""
        masks = [torch.ones(layer.units) for layer in layers]
        for layer, mask in zip(layers, masks, strict=True):
            mask[list(removed.removed.get(layer.name, ()))] = 0
        with torch.inference_mode():
            logits, _, *maps = everywhere(phi.normalize(phi.prepare(frame)[None]), *masks)
        logits.softmax(1)
        for layer in shown:
            column_of(layer, maps[layers.index(layer)], 9)

    def by_session(shown: tuple[Any, ...], removed: Change) -> None:
        structure(session, frame, layers=shown, change=removed)

    one, many = (layers[-1],), evenly_spaced_layers(layers)
    return (
        (lambda: masked(one, Change()), lambda: by_session(one, Change())),
        (lambda: masked(many, change), lambda: by_session(many, change)),
    )


if __name__ == "__main__":
    main()
