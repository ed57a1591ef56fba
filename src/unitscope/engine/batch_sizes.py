"""Choose the batch size: fixed on the CPU, as large as memory allows on a GPU.

In: a network on its device, its trace and the tapped layers. Out: the number of images in a batch.
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
MAX_BATCH = 256  # larger batches are not faster, and a shard should hold several batches
_MEMORY_SHARE = 0.6  # of the free memory; compiled graphs and decoded images need some too
_PROBE = 8  # images in the batch that measures memory


def batch_size_for(network: Network, trace: Trace, layers: Sequence[Layer], *, precision: Precision) -> int:
    """Return the batch size for the network's device.

    It is 1 for networks under hooks, since their forward pass may depend on the values in the batch. On a GPU, a small
    batch is run to measure the memory per image.
    """
    device = device_of(network.module)
    if trace.fallback_reason:
        return 1
    if device.type != "cuda":
        return ON_CPU
    free = torch.cuda.mem_get_info(device)[0]
    return fitting(free, _bytes_per_image(network, trace, layers, precision))


def fitting(free: int, image: int) -> int:
    """Return the largest power of two of images, up to `MAX_BATCH`, that fits into free memory.

    Args:
        free: free memory in bytes.
        image: memory per image in bytes.
    """
    count = MAX_BATCH
    while count > 1 and count * image > _MEMORY_SHARE * free:
        count //= 2
    return count


def _bytes_per_image(network: Network, trace: Trace, layers: Sequence[Layer], precision: Precision) -> int:
    device = device_of(network.module)
    batch = example(network, _PROBE).to(device)
    run = trace.tapped(responses=layers)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    try:
        with torch.inference_mode(), at_precision(precision, device):
            run(network.preprocessing.normalize(batch))
    except torch.OutOfMemoryError as problem:
        raise UnitscopeError(
            f"'{device}' has too little free memory for {_PROBE} images; free some, use --device cpu, or give a "
            "--batch-size"
        ) from problem
    used = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()
    return max(used // _PROBE, 1)
