"""Choose the batch size: fixed on the CPU, as large as memory allows on a GPU.

In: a network on its device, its trace and the tapped layers. Out: the number of images in a batch.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import nn

from unitscope.engine.executor import example
from unitscope.engine.options import Precision
from unitscope.engine.precision import at_precision
from unitscope.errors import UnitscopeError
from unitscope.graph import Trace, device_of
from unitscope.graph.exporting import running
from unitscope.networks import Network
from unitscope.units import Layer

ON_CPU = 16
MAX_BATCH = 256  # larger batches are not faster, and a shard should hold several batches
_MEMORY_SHARE = 0.6  # of the free memory; compiled graphs and decoded images need some too
_PROBES = (8, 1)  # images in the batches that measure memory, until one fits

T = TypeVar("T")


def batch_size_for(network: Network, trace: Trace, layers: Sequence[Layer], *, precision: Precision) -> int:
    """Return the batch size for the network's device.

    It is 1 where an image's values may depend on the others in its batch. On a GPU, a small
    batch is run to measure the memory per image.
    """
    device = device_of(network.module)
    if trace.single_image:
        return 1
    if device.type != "cuda":
        return ON_CPU
    free = torch.cuda.mem_get_info(device)[0]
    return largest_batch_size(free, _bytes_per_image(network, trace, layers, precision))


def largest_batch_size(free_bytes: int, bytes_per_image: int) -> int:
    """Return the largest power of two of images, up to `MAX_BATCH`, that fits into free memory.

    Args:
        free_bytes: free memory in bytes.
        bytes_per_image: memory per image in bytes.
    """
    count = MAX_BATCH
    while count > 1 and count * bytes_per_image > _MEMORY_SHARE * free_bytes:
        count //= 2
    return count


def none_if_out_of_memory(run: Callable[[], T]) -> T | None:
    """Return what a function returns, or None if it runs out of the device's memory, which is then freed."""
    try:
        return run()
    except torch.OutOfMemoryError:
        pass  # outside this clause, since its exception keeps the activations alive
    torch.cuda.empty_cache()
    return None


def out_of_memory_error(device: torch.device) -> UnitscopeError:
    """Return the error for a device on which a single image runs out of memory."""
    return UnitscopeError(f"'{device}' runs out of memory with a single image; use --device cpu")


def _bytes_per_image(network: Network, trace: Trace, layers: Sequence[Layer], precision: Precision) -> int:
    with running():
        run = trace.tapped(responses=layers)
    for count in _PROBES:
        if used := _bytes_of(network, run, count, precision):
            return max(used // count, 1)
    raise out_of_memory_error(device_of(network.module))


def _bytes_of(network: Network, run: nn.Module, count: int, precision: Precision) -> int | None:
    """Return the bytes that a batch takes besides the weights; None if there are too few."""
    device = device_of(network.module)
    batch = example(network, count).to(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    try:
        with running(), torch.inference_mode(), at_precision(precision, device):
            run(network.preprocessing.normalize(batch))
    except torch.OutOfMemoryError:
        return None
    finally:
        torch.cuda.empty_cache()
    return torch.cuda.max_memory_allocated(device) - before
