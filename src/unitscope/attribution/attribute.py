"""Runs a method of attribution on an image.

In: a network, an image, a target, the name of a method. Out: an array.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unitscope.attribution.protocol import Attribution
from unitscope.engine.session import Session
from unitscope.engine.targets import Target
from unitscope.errors import UnitscopeError, closest
from unitscope.images import decode
from unitscope.networks import Network
from unitscope.plugins import ATTRIBUTIONS, Plugin, check_registered, find_plugins, report_plugin_errors


def attribute(
    network: Network | Session, image: str | Path | Image.Image, target: Target, *, method: str = "gradient"
) -> NDArray[np.float32]:
    """Return how much each pixel of an image, as the network sees it, counts for a class or a unit.

    Args:
        network: from `unitscope.load`; for several images pass a session, so that the network is exported only once.
        image: an image file, or a Pillow image.
        target: the number of a class, or a unit as ``LAYER:UNIT``.
        method: the name of the method, such as ``gradient``.

    Returns:
        float32 ``[row, column]``, of the size of the network's input.

    Raises:
        ImageError: if the image can't be read.
        LayerError, NetworkError: if the network lacks the target.
        UnitscopeError: if there is no such method.
    """
    plugin, session = _plugin(method), Session.of(network)
    picture = image if isinstance(image, Image.Image) else decode(Path(image))
    prepared = session.network.preprocessing.prepare(picture)
    run: Attribution = plugin.make()
    with report_plugin_errors(plugin):
        found: NDArray[np.float32] = run(session, prepared[None], target)[0].cpu().numpy()
    return found


def find_attribution(method: str) -> Attribution:
    """Return a method by its name.

    Raises:
        UnitscopeError: if there is none of this name; the message lists the known ones.
    """
    made: Attribution = _plugin(method).make()
    return made


def _plugin(method: str) -> Plugin:
    check_registered(ATTRIBUTIONS)
    known = {plugin.name: plugin for plugin in find_plugins(ATTRIBUTIONS)}
    if method not in known:
        hint = closest(method, known) or f"known: {', '.join(sorted(known))}"
        raise UnitscopeError(f"no attribution '{method}'; {hint}")
    return known[method]
