"""The device that a network runs on.

In: a network and a device's name. Out: the network there, in evaluation mode; the one given stays where and as it is.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from unitscope.errors import NetworkError
from unitscope.networks import Network, eval_mode


@contextmanager
def on_device(network: Network, device: str) -> Iterator[Network]:
    """Give the network in evaluation mode on a device; the one given is left where and as it is.

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
    if wanted.type != "cpu":
        network = replace(network, module=copy.deepcopy(network.module).to(wanted))
    # A caller's autocast is not for what is done here.
    with eval_mode(network.module), torch.autocast(wanted.type, enabled=False):
        yield network
