"""unitscope: see what every unit of a pretrained vision network responds to, over a whole image data set.

The public names are loaded when they are first used, so that ``import unitscope`` costs nothing and reading an atlas
needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unitscope import figures
    from unitscope.analyses.ablation import Ablation
    from unitscope.analyses.alignment import Alignment, between_layers
    from unitscope.analyses.base_rates import base_rate
    from unitscope.analyses.inhibition import Inhibition, class_inhibition
    from unitscope.analyses.neighbours import nearest
    from unitscope.analyses.rules import maximum, only, shared
    from unitscope.analyses.selection import Above, Selection, Top
    from unitscope.analyses.similarity import Similarity, similarity
    from unitscope.analyses.sparsity import Sparsity, sparsity, sparsity_by_depth
    from unitscope.atlas import Atlas, open_atlas
    from unitscope.errors import UnitscopeError
    from unitscope.experiments.inhibition import category_inhibition, inhibition_by_removal
    from unitscope.experiments.inhibition_sheet import inhibition_sheet
    from unitscope.experiments.perturbation_sheet import perturbed_sheet
    from unitscope.experiments.perturbations import Blur, Brightness, Jpeg, Noise
    from unitscope.experiments.perturbing import PerturbResult, perturb
    from unitscope.experiments.removal import ablate
    from unitscope.experiments.running import Running
    from unitscope.experiments.settings import Settings
    from unitscope.images import ImageSet, open_images
    from unitscope.looking import Columns, exemplar_sheet, rule_sheet, structure
    from unitscope.networks import CustomPreprocessing, Network, Preprocessing, load
    from unitscope.scanning import Here, OnRay, Options, Processes, ScanResult, scan
    from unitscope.scanning.fresh import find_subjects
    from unitscope.units import Layer, LayerTable, Unit
    from unitscope.verifying import Verification, verify

_HOMES = {
    "figures": "",
    "Ablation": "analyses.ablation",
    "Alignment": "analyses.alignment",
    "between_layers": "analyses.alignment",
    "base_rate": "analyses.base_rates",
    "Inhibition": "analyses.inhibition",
    "class_inhibition": "analyses.inhibition",
    "nearest": "analyses.neighbours",
    "maximum": "analyses.rules",
    "only": "analyses.rules",
    "shared": "analyses.rules",
    "Above": "analyses.selection",
    "Selection": "analyses.selection",
    "Top": "analyses.selection",
    "Similarity": "analyses.similarity",
    "similarity": "analyses.similarity",
    "Sparsity": "analyses.sparsity",
    "sparsity": "analyses.sparsity",
    "sparsity_by_depth": "analyses.sparsity",
    "Atlas": "atlas",
    "open_atlas": "atlas",
    "UnitscopeError": "errors",
    "category_inhibition": "experiments.inhibition",
    "inhibition_by_removal": "experiments.inhibition",
    "inhibition_sheet": "experiments.inhibition_sheet",
    "Blur": "experiments.perturbations",
    "Brightness": "experiments.perturbations",
    "Jpeg": "experiments.perturbations",
    "Noise": "experiments.perturbations",
    "perturbed_sheet": "experiments.perturbation_sheet",
    "PerturbResult": "experiments.perturbing",
    "perturb": "experiments.perturbing",
    "ablate": "experiments.removal",
    "Running": "experiments.running",
    "Settings": "experiments.settings",
    "ImageSet": "images",
    "open_images": "images",
    "Columns": "looking",
    "exemplar_sheet": "looking",
    "rule_sheet": "looking",
    "structure": "looking",
    "CustomPreprocessing": "networks",
    "Network": "networks",
    "Preprocessing": "networks",
    "load": "networks",
    "Here": "scanning",
    "OnRay": "scanning",
    "Options": "scanning",
    "Processes": "scanning",
    "ScanResult": "scanning",
    "scan": "scanning",
    "find_subjects": "scanning.fresh",
    "Layer": "units",
    "LayerTable": "units",
    "Unit": "units",
    "Verification": "verifying",
    "verify": "verifying",
}

__all__ = [
    "Ablation",
    "Above",
    "Alignment",
    "Atlas",
    "Blur",
    "Brightness",
    "Columns",
    "CustomPreprocessing",
    "Here",
    "ImageSet",
    "Inhibition",
    "Jpeg",
    "Layer",
    "LayerTable",
    "Network",
    "Noise",
    "OnRay",
    "Options",
    "PerturbResult",
    "Preprocessing",
    "Processes",
    "Running",
    "ScanResult",
    "Selection",
    "Settings",
    "Similarity",
    "Sparsity",
    "Top",
    "Unit",
    "UnitscopeError",
    "Verification",
    "ablate",
    "base_rate",
    "between_layers",
    "category_inhibition",
    "class_inhibition",
    "exemplar_sheet",
    "figures",
    "find_subjects",
    "inhibition_by_removal",
    "inhibition_sheet",
    "load",
    "maximum",
    "nearest",
    "only",
    "open_atlas",
    "open_images",
    "perturb",
    "perturbed_sheet",
    "rule_sheet",
    "scan",
    "shared",
    "similarity",
    "sparsity",
    "sparsity_by_depth",
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
