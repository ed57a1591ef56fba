"""The gradient of a class or a unit as a saliency map.

In: a session, prepared images, a target. Out: one map per image.
"""

from dataclasses import dataclass

from torch import Tensor

from unitscope.engine.session import Session
from unitscope.engine.targets import Target


@dataclass(frozen=True, slots=True)
class Gradient:
    """The greatest absolute value over the colour channels of ``∂target/∂x``.

    ``x`` is the network's input after φ's normalization (Simonyan, Vedaldi and Zisserman, 2014, section 3.1).
    """

    def __call__(self, session: Session, prepared: Tensor, target: Target) -> Tensor:
        """See `Attribution`."""
        return session.gradients(prepared, target).abs().amax(1)
