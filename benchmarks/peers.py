"""Alternatives to unitscope in the benchmark's setting: a plain loop, hooks, and the two closest tools.

In: a network and JPEG files. Out: one line per batch, printed by a hook on the network's forward pass. All decode with
Pillow and run the module unchanged. All except zennit-crp decode in two processes of a DataLoader, as their users do;
the memory and time of these processes are not counted.
"""

import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.turns import tell

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unitscope import Network

CASES = {
    "loop": "plain classifying from JPEG files: DataLoader with Pillow, eager",
    "hooks": "the same with forward hooks on every ReLU, means to NumPy",
    "semanticlens": "SemanticLens: greatest means of every convolution, from JPEG files",
    "zennit-crp": "zennit-crp: greatest activations and relevances of every convolution, from JPEG files",
}
SLOW = ("zennit-crp",)  # half a second an image
WORKERS, PREFETCH = 2, 2
AHEAD = WORKERS * PREFETCH  # batches
_NEEDS = {"semanticlens": "semanticlens", "zennit-crp": "crp", "scan-openvino": "openvino"}


def missing(case: str) -> str:
    """Return why a case can't run here; empty if it can."""
    needed = _NEEDS.get(case)
    return f"not installed: pip install '.[{_extra(case)}]'" if needed and find_spec(needed) is None else ""


def _extra(case: str) -> str:
    return "peers" if case in CASES else "openvino"


def copies(sources: list[Path], folder: Path, count: int) -> Path:
    """Fill a folder with ``count`` copies of JPEG files."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:05d}.jpg").write_bytes(sources[number % len(sources)].read_bytes())
    return folder


def run(case: str, network: "Network", sources: list[Path], *, images: int, batch: int) -> None:
    """Run a case on a number of images; report each batch before its forward pass, and how long it waited for data."""
    from torch.utils.data.dataloader import _BaseDataLoaderIter

    network.module.register_forward_pre_hook(lambda *_: tell())
    data = _Files([sources[number % len(sources)] for number in range(images)], network)
    if case == "zennit-crp":  # it reads the images one by one, without a DataLoader
        _tell_waits(_Files, "__getitem__", images=1)
    else:
        _tell_waits(_BaseDataLoaderIter, "__next__", images=batch)
    {"loop": _loop, "hooks": _hooks, "semanticlens": _semanticlens, "zennit-crp": _crp}[case](
        network.module, data, batch
    )


def _tell_waits(kind: type, name: str, *, images: int) -> None:
    method = getattr(kind, name)

    def timed(*given: Any) -> Any:
        started = time.perf_counter()
        got = method(*given)
        tell(data_wait=time.perf_counter() - started, images=images)
        return got

    setattr(kind, name, timed)


class _Files:
    """A data set of image files as tensors, with the network's preprocessing and Pillow's resizing."""

    def __init__(self, files: list[Path], network: "Network") -> None:
        self.files, self.phi, self.name = files, network.preprocessing, "files"

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> "tuple[Tensor, int]":
        import torch
        from PIL import Image
        from torchvision.transforms import v2

        transform = v2.Compose(
            [v2.Resize(256), v2.CenterCrop(224), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
        )
        with Image.open(self.files[number]) as image:
            x = transform(image.convert("RGB"))
        return v2.functional.normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), 0


def _loader(data: _Files, batch: int) -> "Iterator[Tensor]":
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(data, batch, num_workers=WORKERS, prefetch_factor=PREFETCH)  # type: ignore[arg-type]
    for x, _ in loader:
        yield x


def _loop(module: "nn.Module", data: _Files, batch: int) -> None:
    import torch

    with torch.inference_mode():
        for x in _loader(data, batch):
            module(x).softmax(1).topk(5)


def _hooks(module: "nn.Module", data: _Files, batch: int) -> None:
    import torch

    found: dict[str, list[Any]] = {}

    def hook(name: str) -> "Callable[..., None]":
        def keep(_module: "nn.Module", _inputs: Any, output: "Tensor") -> None:
            found.setdefault(name, []).append((output.mean((2, 3)) if output.ndim == 4 else output).numpy())

        return keep

    for name in _relus(module):
        module.get_submodule(name).register_forward_hook(hook(name))
    with torch.inference_mode():
        for x in _loader(data, batch):
            module(x)


def _semanticlens(module: "nn.Module", data: _Files, batch: int) -> None:
    from semanticlens.component_visualization.activation_based import ActivationComponentVisualizer
    from semanticlens.component_visualization.aggregators import aggregate_conv_mean

    module.name = "network"  # type: ignore[assignment]
    lens = ActivationComponentVisualizer(
        module, data, data, layer_names=_convolutions(module), num_samples=9, aggregate_fn=aggregate_conv_mean
    )
    lens.run(batch_size=batch, num_workers=WORKERS)


def _crp(module: "nn.Module", data: _Files, batch: int) -> None:
    import tempfile

    from crp.attribution import CondAttribution
    from crp.concepts import ChannelConcept
    from crp.visualization import FeatureVisualization
    from zennit.composites import EpsilonPlusFlat

    concept = ChannelConcept()
    layers = dict.fromkeys(_convolutions(module), concept)
    module.requires_grad_(True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        visual = FeatureVisualization(
            CondAttribution(module), data, layers, preprocess_fn=lambda x: x, path=folder, cache=None
        )
        visual.run(EpsilonPlusFlat(), 0, len(data), batch_size=batch, checkpoint=len(data))


def _relus(module: "nn.Module") -> list[str]:
    from torch import nn

    return [name for name, part in module.named_modules() if isinstance(part, nn.ReLU)]


def _convolutions(module: "nn.Module") -> list[str]:
    """Return the convolutions. Neither tool separates the calls of a ResNet's shared ReLU, which differ in channels."""
    from torch import nn

    return [name for name, part in module.named_modules() if isinstance(part, nn.Conv2d)]
