"""What a method of attribution is.

In: a session, prepared images, a target. Out: one map an image. Knows no files and no figures.
"""

from typing import Protocol

from torch import Tensor

from unitscope.engine.session import Session
from unitscope.engine.targets import Target


class Attribution(Protocol):
    """A method of attribution, registered in the group ``unitscope.attributions`` under the name people give.

    A class or a function of no arguments that returns one; `unitscope.testing.AttributionTests` says what it must do.
    """

    def __call__(self, session: Session, prepared: Tensor, target: Target) -> Tensor:
        """Return how much each pixel counts for the target.

        Args:
            session: of the network.
            prepared: from `Preprocessing.prepare`, ``[image, 3, H, W]``.
            target: number of a class, or a unit.

        Returns:
            float32 ``[image, H, W]``.

        Raises:
            LayerError, NetworkError: if the network lacks the target.
        """
        ...
