"""How many images go together: a fixed number on the CPU, as many as fit on a GPU.

In: a network on its device, its trace and the layers. Out: a number of images.
"""

from collections.abc import Sequence

import torch

from unitscope.engine.executor import example
from unitscope.engine.options import Precision
from unitscope.engine.precision import at_precision
from unitscope.errors import UnitscopeError
from unitscope.graph import Trace, device_of
from unitscope.networks import Network
from unitscope.units import Layer

ON_CPU = 16
MOST = 256  # larger batches are no faster, and a shard should hold some
_SHARE = 0.6  # of the memory that is free: compiled graphs and decoded pictures need some too
_PROBE = 8


def batch_size_for(network: Network, trace: Trace, layers: Sequence[Layer], *, precision: Precision) -> int:
    """Return how many images to run at once on the network's device.

    Hooked networks run one image at a time: their forward pass may depend on the values in the batch. On a GPU a small
    batch is run to see how much memory an image takes.
    """
    device = device_of(network.module)
    if trace.fallback_reason:
        return 1
    if device.type != "cuda":
        return ON_CPU
    free = torch.cuda.mem_get_info(device)[0]
    return fitting(free, _bytes_an_image(network, trace, layers, precision))


def fitting(free: int, image: int) -> int:
    """Return the greatest power of two, at most `MOST`, of images of so many bytes that so many free bytes hold."""
    count = MOST
    while count > 1 and count * image > _SHARE * free:
        count //= 2
    return count


def _bytes_an_image(network: Network, trace: Trace, layers: Sequence[Layer], precision: Precision) -> int:
    device = device_of(network.module)
    batch = example(network, _PROBE).to(device)
    run = trace.with_responses(layers)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    try:
        with torch.inference_mode(), at_precision(precision, device):
            run(network.preprocessing.normalize(batch))
    except torch.OutOfMemoryError as problem:
        raise UnitscopeError(
            f"'{device}' has no memory free for {_PROBE} images; free some, use --device cpu, or say --batch-size"
        ) from problem
    used = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()
    return max(used // _PROBE, 1)
