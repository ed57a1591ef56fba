"""Targets of gradients: the logit of a class, or the response of a unit.

In: a class number or a unit, and the layers of a network. Out: the layers to tap, and the target's value in outputs.
"""

from dataclasses import dataclass

from torch import Tensor

from unitscope.errors import NetworkError
from unitscope.units import Layer, LayerTable, Unit

Target = int | Unit | str
"""Number of a class, or a unit, ``LAYER:UNIT``."""


@dataclass(frozen=True, slots=True)
class FoundTarget:
    """A target, looked up in a network.

    Attributes:
        layers: the unit's layer; empty for a class.
        number: the class number, or the unit's channel.
        network: the network's name in messages.
    """

    layers: tuple[Layer, ...]
    number: int
    network: str

    def value(self, outputs: tuple[Tensor | None, ...]) -> Tensor:
        """Return the target's value ``[image]`` in the outputs of a tapped network; see `Trace.tapped`.

        Raises:
            NetworkError: if the target is a class that the network does not have.
        """
        logits, responses = outputs[:2]
        if self.layers:
            assert responses is not None
            return responses[:, self.number]
        if logits is None:
            raise NetworkError(f"{self.network} returns no logits, so it has no class {self.number}")
        if not 0 <= self.number < logits.shape[1]:
            raise NetworkError(
                f"{self.network} has classes 0 to {logits.shape[1] - 1}, so there is no class {self.number}"
            )
        return logits[:, self.number]


def find_target(target: Target, layers: LayerTable, network: str) -> FoundTarget:
    """Return the target given by a class number or a unit.

    Raises:
        LayerError: if there is no such unit.
    """
    if isinstance(target, (str, Unit)):
        layer, channel = layers.unit(target)
        return FoundTarget((layer,), channel, network)
    return FoundTarget((), int(target), network)
