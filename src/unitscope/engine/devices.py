"""Move a network to a device.

In: a network and a device's name. Out: the network on that device; the given network is not modified.
"""

import copy
from dataclasses import replace

import torch

from unitscope.errors import NetworkError
from unitscope.networks import Network


def to_device(network: Network, device: str) -> Network:
    """Return the network on a device: itself on a CPU, a copy elsewhere.

    Raises:
        NetworkError: if there is no such device.
    """
    wanted = check_device(device)
    if wanted.type == "cpu":
        return network
    return replace(network, module=copy.deepcopy(network.module).to(wanted))


def check_device(device: str) -> torch.device:
    """Return the device of a name.

    Raises:
        NetworkError: if there is no such device.
    """
    try:
        wanted = torch.device(device)
    except RuntimeError as problem:
        raise NetworkError(
            f"no device '{device}'; use cpu, cuda, or cuda:1 for the second of several GPUs"
        ) from problem
    try:
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError) as problem:
        raise NetworkError(f"no device '{device}': {str(problem).splitlines()[0]}; use --device cpu") from problem
    return wanted
