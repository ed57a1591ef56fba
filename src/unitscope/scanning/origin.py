"""The network that an atlas was made with, loaded again and checked.

In: an atlas, and the network where it can't be loaded by name. Out: that `Network`, with the same weights.
"""

from unitscope.atlas import Atlas
from unitscope.errors import NetworkError
from unitscope.networks import Network, load


def network_of(atlas: Atlas, given: Network | None = None) -> Network:
    """Return the network that an atlas was made with; ``given`` is needed where it was a module given in Python.

    Raises:
        NetworkError: if it can't be loaded, or its weights are not those of the scan.
    """
    network = given or _loaded(atlas)
    if network.fingerprint != atlas.manifest.network["fingerprint"]:
        raise NetworkError(
            f"the weights of {network.reference} are not those that atlas '{atlas.path}' was made with; scan again"
        )
    return network


def _loaded(atlas: Atlas) -> Network:
    source = atlas.manifest.network["source"]
    if not source:
        raise NetworkError(
            f"atlas '{atlas.path}' was made from a module given in Python; pass that module's network besides"
        )
    return load(**source)
