"""What a gradient is taken of: the logit of a class, or the response of a unit.

In: a class number or a unit, the layers of a network. Out: the layers to tap, and the target's value in the outputs.
"""

from dataclasses import dataclass

from torch import Tensor

from unitscope.errors import NetworkError
from unitscope.units import Layer, LayerTable, Unit

Target = int | Unit | str
"""Number of a class, or a unit, ``LAYER:UNIT``."""


@dataclass(frozen=True, slots=True)
class FoundTarget:
    """A target that the network has.

    Attributes:
        layers: the unit's layer; none for a class.
        number: of the class, or the unit's channel.
        network: what messages call the network.
    """

    layers: tuple[Layer, ...]
    number: int
    network: str

    def value(self, outputs: tuple[Tensor | None, ...]) -> Tensor:
        """Return the target ``[image]`` in what a tapped network gives; see `Trace.tapped`.

        Raises:
            NetworkError: if it is a class and the network does not have it.
        """
        logits, responses = outputs[:2]
        if self.layers:
            assert responses is not None
            return responses[:, self.number]
        if logits is None:
            raise NetworkError(f"{self.network} gives no logits, so it has no class {self.number}")
        if not 0 <= self.number < logits.shape[1]:
            raise NetworkError(
                f"{self.network} has classes 0 to {logits.shape[1] - 1}, so there is no class {self.number}"
            )
        return logits[:, self.number]


def find_target(target: Target, layers: LayerTable, network: str) -> FoundTarget:
    """Return the target of a name or number.

    Raises:
        LayerError: if there is no such unit.
    """
    if isinstance(target, int):
        return FoundTarget((), target, network)
    layer, channel = layers.unit(target)
    return FoundTarget((layer,), channel, network)
