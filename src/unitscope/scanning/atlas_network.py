"""The network that an atlas was made with, loaded again and checked.

In: an atlas, and the network where it can't be loaded by name. Out: that `Network`, or a `Session` of it, with the same
weights and φ.
"""

from typing import Any

from unitscope.atlas import Atlas
from unitscope.engine.session import Session
from unitscope.errors import NetworkError
from unitscope.networks import Network, load


def session_of(
    atlas: Atlas,
    given: Network | Session | None = None,
    *,
    device: str | None = None,
    batch_size: int | None = None,
) -> Session:
    """Return a session of the network that an atlas was made with; a session given is returned as it is.

    Raises:
        NetworkError: as `network_of`, and if there is no such device.
    """
    if isinstance(given, Session):
        check_same(atlas, given.network)
        return given
    return Session(network_of(atlas, given), device=device, batch_size=batch_size)


def network_of(atlas: Atlas, given: Network | None = None) -> Network:
    """Return the network that an atlas was made with; ``given`` is needed where it was a module given in Python.

    Raises:
        NetworkError: if it can't be loaded, or its weights or its preprocessing are not those of the scan.
    """
    network = given or _loaded(atlas)
    check_same(atlas, network)
    return network


def check_same(atlas: Atlas, network: Network) -> None:
    """Check that a network has the weights and the preprocessing that an atlas was made with.

    Raises:
        NetworkError: if not; the message says what differs.
    """
    made_with = atlas.manifest
    if network.fingerprint != made_with.network["fingerprint"]:
        raise NetworkError(
            f"atlas '{atlas.path}' was made with {made_with.network['reference']} and other weights than those of "
            f"{network.reference}; give the network that it was made with, or scan again"
        )
    if differ := _differences(made_with.preprocessing, network.preprocessing.to_dict()):
        raise NetworkError(
            f"atlas '{atlas.path}' was made with another preprocessing than that of {network.reference} "
            f"({differ}); give the one that it was made with, or scan again"
        )


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Which values of φ are others, and what they were."""
    keys = [key for key in before | now if before.get(key) != now.get(key)]
    return ", ".join(f"{key} was {before.get(key)}, not {now.get(key)}" for key in keys)


def _loaded(atlas: Atlas) -> Network:
    source = atlas.manifest.network["source"]
    if not source:
        raise NetworkError(
            f"atlas '{atlas.path}' was made from a module given in Python; pass that module's network besides"
        )
    return load(**source)
