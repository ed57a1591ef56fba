"""unitscope: see what every unit of a pretrained vision network responds to, over a whole image data set.

The public names are loaded when they are first used, so that ``import unitscope`` costs nothing and reading an atlas
needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unitscope import figures
    from unitscope.atlas import Atlas, open_atlas
    from unitscope.errors import UnitscopeError
    from unitscope.images import ImageSet, open_images
    from unitscope.looking import Columns, exemplar_sheet, structure
    from unitscope.networks import CustomPreprocessing, Network, Preprocessing, load
    from unitscope.scanning import Options, ScanResult, scan
    from unitscope.units import Layer, LayerTable, Unit
    from unitscope.verifying import Verification, verify

_HOMES = {
    "figures": "",
    "Atlas": "atlas",
    "open_atlas": "atlas",
    "UnitscopeError": "errors",
    "ImageSet": "images",
    "open_images": "images",
    "Columns": "looking",
    "exemplar_sheet": "looking",
    "structure": "looking",
    "CustomPreprocessing": "networks",
    "Network": "networks",
    "Preprocessing": "networks",
    "load": "networks",
    "Options": "scanning",
    "ScanResult": "scanning",
    "scan": "scanning",
    "Layer": "units",
    "LayerTable": "units",
    "Unit": "units",
    "Verification": "verifying",
    "verify": "verifying",
}

__all__ = [
    "Atlas",
    "Columns",
    "CustomPreprocessing",
    "ImageSet",
    "Layer",
    "LayerTable",
    "Network",
    "Options",
    "Preprocessing",
    "ScanResult",
    "Unit",
    "UnitscopeError",
    "Verification",
    "exemplar_sheet",
    "figures",
    "load",
    "open_atlas",
    "open_images",
    "scan",
    "structure",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'unitscope' has no attribute '{name}'")
    home = _HOMES[name]
    return getattr(import_module(f"unitscope.{home}"), name) if home else import_module(f"unitscope.{name}")


def __dir__() -> list[str]:
    return __all__
