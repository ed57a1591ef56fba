"""The interface of a method of attribution.

In: a session, prepared images, a target. Out: one map per image. Independent of files and figures.
"""

from typing import Protocol

from torch import Tensor

from unitscope.engine.session import Session
from unitscope.engine.targets import Target


class Attribution(Protocol):
    """A method of attribution, registered by name as an entry point in the group ``unitscope.attributions``.

    The entry point is a class, or a function without arguments that returns a method; test it with
    `unitscope.testing.AttributionTests`.
    """

    def __call__(self, session: Session, prepared: Tensor, target: Target) -> Tensor:
        """Return how much each pixel counts for the target.

        Args:
            session: the network's session.
            prepared: from `Preprocessing.prepare`, ``[image, channel, H, W]``.
            target: the number of a class, or a unit.

        Returns:
            float32 ``[image, H, W]``.

        Raises:
            LayerError, NetworkError: if the network lacks the target.
        """
        ...
