"""Load the network of an atlas again, and check that it is the same.

In: an atlas, and the network or a reference where the atlas alone can't say. Out: the `Network`, or a `Session` of it,
with the same weights and preprocessing. A file with code that only an atlas names is never run.
"""

from typing import Any

import PIL
import torch

from unitscope.atlas import Atlas
from unitscope.atlas.network_source import network_source, reason_to_ask
from unitscope.engine.session import Session
from unitscope.errors import NetworkError
from unitscope.networks import Network, load
from unitscope.units import LayerTable


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
        check_same(atlas, network)
        session = Session.of(network, device=device)
    else:
        session = Session(network_of(atlas, network), device=device, batch_size=batch_size)
        _check_forward_pass(atlas, session)
    session.adopt(LayerTable(atlas.manifest.all_layers, session.network.reference))
    return session


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


def check_same(atlas: Atlas, network: Network | Session) -> None:
    """Check that a network has the weights and the preprocessing that an atlas was made with.

    A session's forward pass is checked too, since the same weights can be used in another way. It is known where the
    atlas was made with the same version of PyTorch.

    Raises:
        NetworkError: if it has not; the message says what differs.
    """
    made_with, session = atlas.manifest, network
    if isinstance(network, Session):
        network = network.network
    if network.fingerprint != made_with.network["fingerprint"]:
        raise NetworkError(
            f"atlas '{atlas.path}' was made with {made_with.network['reference']}, whose weights differ from those of "
            f"{network.reference}; give the network that it was made with, or scan again"
        )
    if differ := _differences(atlas, network.preprocessing.to_dict()):
        raise NetworkError(
            f"atlas '{atlas.path}' was made with a preprocessing that differs from that of {network.reference} "
            f"({differ}); give the one that it was made with, or scan again"
        )
    if isinstance(session, Session):
        _check_forward_pass(atlas, session)


def _check_forward_pass(atlas: Atlas, session: Session) -> None:
    """Check that a session computes what the atlas was made with, as far as the atlas says."""
    fingerprint = atlas.manifest.scan.get("plan", {}).get("graph")
    if fingerprint and _same_versions(atlas) and fingerprint != session.trace.fingerprint:
        reference = session.network.reference
        raise NetworkError(
            f"atlas '{atlas.path}' was made with another forward pass than that of {reference}, although the weights "
            "are the same; give the network that it was made with, or scan again"
        )


def _same_versions(atlas: Atlas) -> bool:
    """Return whether PyTorch and Pillow, which graphs and rounding depend on, are those of the scan."""
    plan, versions = atlas.manifest.scan.get("plan", {}), {"torch": torch.__version__, "pillow": PIL.__version__}
    return all(plan.get(name) == version for name, version in versions.items())


def _differences(atlas: Atlas, now: dict[str, Any]) -> str:
    """Return the parameters of the preprocessing that differ from the atlas's, as text."""
    before = atlas.manifest.preprocessing
    keys = [key for key in before | now if before.get(key) != now.get(key)]
    if "probe" not in before or not _same_versions(atlas):
        keys = [key for key in keys if key != "probe"]
    changed = ["it returns another tensor for the same image"] if "probe" in keys else []
    others = [f"{key} was {before.get(key)}, not {now.get(key)}" for key in keys if key != "probe"]
    return ", ".join(others + changed)
