"""The paper's own units, in networks that have them: those with the form of VGG-16.

In: the layers of a network. Out: the units conv5_3:71 and conv5_2:11. VGG-16 is recognised by its convolutions alone,
not by names, so that a renamed, retrained or shortened one (other classifier, other input size, batch norms) counts.
"""

from collections.abc import Iterable

from unitscope.paper import published_values as values
from unitscope.units import ACTIVATION, Layer, Unit

_CONVOLUTION, _POOL = "convolution", "pool"
_FORM = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Units of VGG-16's convolutions, in blocks that end with a pooling (Simonyan and Zisserman, 2015, column D)."""


def own_units(layers: Iterable[Layer]) -> tuple[Unit, ...]:
    """Return the paper's units of conv5_3 and conv5_2, after their activations; none if the form is not VGG-16's.

    The paper counts units from 0; its figure 3 calls unit 11 of conv5_2 by 10 once.
    """
    found = _activations(layers)
    if found is None:
        return ()
    by_name = {f"conv{block + 1}_{number + 1}": layer for (block, number), layer in found.items()}
    return tuple(Unit(by_name[layer].name, channel) for layer, channel in values.OWN_UNITS)


def _activations(layers: Iterable[Layer]) -> dict[tuple[int, int], Layer] | None:
    """Return the activation after each convolution, by block and number in the block; None for another form.

    Convolutions after the fifth pooling belong to a classifier.
    """
    blocks: list[list[int]] = [[]]
    activations: dict[tuple[int, int], Layer] = {}
    for layer in layers:
        if len(blocks) > len(_FORM):
            break
        if layer.kind == _CONVOLUTION:
            blocks[-1].append(layer.units)
        elif layer.kind == ACTIVATION and blocks[-1]:
            activations[len(blocks) - 1, len(blocks[-1]) - 1] = layer
        elif layer.kind == _POOL and blocks[-1]:
            blocks.append([])
        elif layer.kind in ("add", "cat", "mul"):
            return None
    count = sum(map(len, _FORM))
    complete = tuple(map(tuple, blocks[: len(_FORM)])) == _FORM and len(activations) == count
    return activations if complete else None
