"""How the network of an atlas is loaded again, and when the user has to name it.

In: an atlas. Out: the options of `unitscope.load` that the scan used, or why they are not enough. An atlas is data: a
file with code that only an atlas names is never run.
"""

from typing import Any

from unitscope.atlas.atlas import Atlas
from unitscope.plugins import code_file


def network_source(atlas: Atlas) -> dict[str, Any]:
    """Return the options of `unitscope.load` that the scan used; an empty dict for a module given in Python."""
    return dict(atlas.manifest.network["source"] or {})


def reason_to_ask(atlas: Atlas) -> str:
    """Return why the network can't be loaded without a reference from the user; empty if it can."""
    named = str(network_source(atlas).get("network", ""))
    if not named:
        return (
            f"atlas '{atlas.path}' was made from a module given in Python; pass its network, "
            "or give a file that builds it with --network FILE.py:FUNCTION"
        )
    if code_file(named):
        return (
            f"atlas '{atlas.path}' names a file that can run code; "
            f"if you trust that file, give it with --network '{named}'"
        )
    return ""
