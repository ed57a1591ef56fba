"""Looking at single images and units: the bridge between a network and what the eye is shown.

In: a network (or an atlas that names one) and images. Out: `Structure` and `ExemplarSheet`, plain arrays.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.atlas import Atlas
from unitscope.errors import ImageError, UnitscopeError
from unitscope.graph import Trace, device_of, trace_of
from unitscope.graph.hooks import mean_map
from unitscope.images import decode
from unitscope.networks import Network, eval_mode
from unitscope.scanning.origin import network_of
from unitscope.scanning.scan import top_predictions
from unitscope.units import Layer, Unit
from unitscope.views import Column, Enlargement, Exemplar, ExemplarSheet, Prediction, Structure


@dataclass(frozen=True, slots=True)
class Columns:
    """Which layers a structure shows: activation calls start, start + step, … up to stop, 1-based as in the paper.

    ``None`` for start and stop means the first and the last; for step, as many as make about 13 columns.
    """

    start: int | None = None
    stop: int | None = None
    step: int | None = None

    def of(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return those of the activation calls.

        Raises:
            UnitscopeError: if they would be none.
        """
        count = len(layers)
        start, stop = self.start or 1, self.stop or count
        step = self.step or max(1, math.ceil((stop - start + 1) / 13))
        if not 1 <= start <= stop <= count or step < 1:
            raise UnitscopeError(
                f"no layers from {start} to {stop} by {step}: the network has activation calls 1 to {count}"
            )
        return tuple(layers[start - 1 : stop : step])


def structure(
    network: Network,
    image: str | Path,
    *,
    columns: Columns | None = None,
    top: int = 9,
    enlarge: Iterable[str | Unit] = (),
) -> Structure:
    """Return the top units of each layer for one image, shallow to deep (paper, algorithm 1).

    Raises:
        ImageError: if the image can't be read.
        LayerError: if a unit to enlarge does not exist.
        UnitscopeError: if no layer is chosen, or top is less than 1.
    """
    if top < 1:
        raise UnitscopeError(f"top must be at least 1, not {top}")
    prepared = network.preprocessing.prepare(decode(Path(image)))
    with eval_mode(network.module):
        traced = trace_of(network)
        chosen = (columns or Columns()).of(traced.layers.activations)
        units = [traced.layers.unit(unit) for unit in enlarge]
        logits, maps = _maps(network, traced, prepared[None], [*chosen, *(layer for layer, _ in units)])
    return Structure(
        network.reference,
        str(image),
        network.preprocessing.picture(prepared),
        _predictions(network, logits),
        tuple(_column(layer, map_, top) for layer, map_ in zip(chosen, maps, strict=False)),
        tuple(_enlargement(layer, unit, map_) for (layer, unit), map_ in zip(units, maps[len(chosen) :], strict=True)),
    )


def exemplar_sheet(
    atlas: Atlas, unit: str | Unit, *, network: Network | None = None, images: str | Path | None = None
) -> ExemplarSheet:
    """Return a unit's exemplars with pictures and activation maps (paper, figure 2).

    Args:
        atlas: from `unitscope.open_atlas`.
        unit: ``LAYER:UNIT``.
        network: needed only for an atlas of a module given from Python, which can't be loaded again.
        images: the folder with the images, if it has moved since the scan.

    Raises:
        LayerError: if the atlas has no such unit.
        NetworkError: if the network can't be loaded, or its weights are not those of the scan.
    """
    layer, channel = atlas.unit(unit)
    found = atlas.exemplars(Unit(layer.name, channel))
    network = network_of(atlas, network)
    root = Path(images) if images is not None else atlas.root
    exemplars = [
        Exemplar(int(row["rank"]), row["image"], float(row["response"]), row["label"])
        for row in found.to_dict("records")
    ]
    return ExemplarSheet(network.reference, layer, channel, tuple(_with_maps(network, exemplars, root, layer, channel)))


def _with_maps(network: Network, exemplars: list[Exemplar], root: Path, layer: Layer, channel: int) -> list[Exemplar]:
    """The exemplars with picture and map, except those whose files are gone."""
    prepared: dict[int, Tensor] = {}
    for exemplar in exemplars:
        try:
            prepared[exemplar.rank] = network.preprocessing.prepare(decode(root / exemplar.image))
        except (ImageError, OSError):
            continue
    if not prepared:
        return exemplars
    with eval_mode(network.module):
        traced = trace_of(network)
        _, (maps,) = _maps(network, traced, torch.stack(list(prepared.values())), [traced.layers.find(layer.name)])
    drawn = dict(zip(prepared, maps, strict=True))
    return [
        replace(
            exemplar,
            picture=network.preprocessing.picture(prepared[exemplar.rank]),
            map=plane(drawn[exemplar.rank], layer)[channel],
        )
        if exemplar.rank in drawn
        else exemplar
        for exemplar in exemplars
    ]


def plane(map_: Tensor, layer: Layer) -> NDArray[np.float32]:
    """Return one image's output of a layer as maps ``[unit, row, column]``.

    Tokens of a transformer are laid out as their patches were, a leading class token left out; a single number is
    a map of one by one.
    """
    by_unit = map_.float().movedim(layer.unit_axis - 1, 0).cpu()
    if by_unit.ndim == 3:
        return by_unit.numpy()  # type: ignore[no-any-return]
    tokens = by_unit.reshape(len(by_unit), -1)
    for skipped in (0, 1):
        side = math.isqrt(tokens.shape[1] - skipped)
        if side and side * side == tokens.shape[1] - skipped:
            return tokens[:, skipped:].reshape(-1, side, side).numpy()  # type: ignore[no-any-return]
    return tokens[:, None, :].numpy()  # type: ignore[no-any-return]


def _maps(
    network: Network, traced: Trace, prepared: Tensor, layers: Sequence[Layer]
) -> tuple[Tensor | None, list[Tensor]]:
    """Logits, and each layer's output; hooked networks run one image at a time."""
    run = traced.with_maps(layers)
    step = 1 if traced.loss else len(prepared)
    with torch.inference_mode():
        device = device_of(network.module)
        outputs = [run(network.preprocessing.normalize(some.to(device))) for some in prepared.split(step)]
    logits = None if outputs[0][0] is None else torch.cat([output[0] for output in outputs])
    return logits, [torch.cat([output[1 + n] for output in outputs]) for n in range(len(layers))]


def _predictions(network: Network, logits: Tensor | None) -> tuple[Prediction, ...]:
    if logits is None:
        return ()
    classes, probabilities = top_predictions(logits.float().cpu().numpy(), 5)
    return tuple(
        Prediction(int(n), network.classes[n] if n < len(network.classes) else str(n), float(p))
        for n, p in zip(classes[0], probabilities[0], strict=True)
    )


def _column(layer: Layer, map_: Tensor, top: int) -> Column:
    responses = mean_map(map_, layer.unit_axis)[0].cpu().numpy()
    units = np.argsort(-responses, kind="stable")[:top]
    return Column(layer, units, responses[units], plane(map_[0], layer)[units])


def _enlargement(layer: Layer, unit: int, map_: Tensor) -> Enlargement:
    response = float(mean_map(map_, layer.unit_axis)[0, unit])
    return Enlargement(layer, unit, response, plane(map_[0], layer)[unit])
