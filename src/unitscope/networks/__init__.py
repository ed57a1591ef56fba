"""Load pretrained vision networks.

In: a reference (`torchvision:resnet50`, `card.toml`, `file.py:function`, …) or any `nn.Module`. Out: a `Network`: the
module, its preprocessing φ, its class names and a fingerprint of its weights. Independent of layers, graphs and scans.
Each origin of networks is a module in `origins`.
"""

from unitscope.networks.custom_preprocessing import CustomPreprocessing
from unitscope.networks.float32_precision import float32_matmul_precision
from unitscope.networks.network import Network, eval_mode
from unitscope.networks.preprocessing import PRESETS, Preprocessing
from unitscope.networks.registry import load

__all__ = [
    "PRESETS",
    "CustomPreprocessing",
    "Network",
    "Preprocessing",
    "eval_mode",
    "float32_matmul_precision",
    "load",
]
