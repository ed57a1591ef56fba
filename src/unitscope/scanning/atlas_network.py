"""Load the network of an atlas again, and check that it is the same.

In: an atlas, and the network or a reference where the atlas alone can't say. Out: the `Network`, or a `Session` of it,
with the same weights and preprocessing. A file with code that only an atlas names is never run.
"""

from typing import Any

from unitscope.atlas import Atlas
from unitscope.atlas.network_source import network_source, reason_to_ask
from unitscope.engine.session import Session
from unitscope.errors import NetworkError
from unitscope.networks import Network, load


def session_of(
    atlas: Atlas,
    network: Network | Session | str | None = None,
    *,
    device: str | None = None,
    batch_size: int | None = None,
) -> Session:
    """Return a session of the network that an atlas was made with; a given session is checked and returned.

    Args:
        atlas: from `unitscope.open_atlas`.
        network: as in `network_of`, or a session.
        device: where the network runs.
        batch_size: number of images run at once.

    Raises:
        NetworkError: as in `network_of`, and if there is no such device.
        UnitscopeError: if the given session is on another device.
    """
    if isinstance(network, Session):
        check_same(atlas, network.network)
        return Session.of(network, device=device)
    return Session(network_of(atlas, network), device=device, batch_size=batch_size)


def network_of(atlas: Atlas, network: Network | str | None = None, **options: Any) -> Network:
    """Return the network that an atlas was made with.

    Args:
        atlas: from `unitscope.open_atlas`.
        network: the network, or a reference that it is loaded from. Needed if the atlas was made from a module given in
            Python, or if it names a file that can run code.
        options: options of `load` that replace those of the scan; None keeps them.

    Raises:
        NetworkError: if it can't be loaded, or its weights or its preprocessing differ from those of the scan.
    """
    if not isinstance(network, Network):
        if network is None and (reason := reason_to_ask(atlas)):
            raise NetworkError(reason)
        given = {"network": network, **options}
        network = load(**network_source(atlas) | {name: value for name, value in given.items() if value is not None})
    check_same(atlas, network)
    return network


def check_same(atlas: Atlas, network: Network) -> None:
    """Check that a network has the weights and the preprocessing that an atlas was made with.

    Raises:
        NetworkError: if it has not; the message says what differs.
    """
    made_with = atlas.manifest
    if network.fingerprint != made_with.network["fingerprint"]:
        raise NetworkError(
            f"atlas '{atlas.path}' was made with {made_with.network['reference']}, whose weights differ from those of "
            f"{network.reference}; give the network that it was made with, or scan again"
        )
    if differ := _differences(made_with.preprocessing, network.preprocessing.to_dict()):
        raise NetworkError(
            f"atlas '{atlas.path}' was made with a preprocessing that differs from that of {network.reference} "
            f"({differ}); give the one that it was made with, or scan again"
        )


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Return the parameters of the preprocessing that differ, as text."""
    keys = [key for key in before | now if before.get(key) != now.get(key)]
    return ", ".join(f"{key} was {before.get(key)}, not {now.get(key)}" for key in keys)
