"""Trace a module with `torch.export`, or with forward hooks where the export fails.

In: a module in evaluation mode and its input size. Out: a `Trace`: the layers, and modules with taps.
Independent of images, files and speed; `engine` optimises the graphs built here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from unitscope.errors import NetworkError, first_line
from unitscope.graph.axes import unit_axes
from unitscope.graph.class_layers import class_layers
from unitscope.graph.export import export_logits
from unitscope.graph.exporting import exporting
from unitscope.graph.fingerprint import graph_fingerprint, module_fingerprint
from unitscope.graph.hooks import HookedTaps, layers_of_images, record_layers, uncalled_modules
from unitscope.graph.logits import Head
from unitscope.graph.naming import calls_of, lost_activations, name_layers
from unitscope.graph.receptive_fields import receptive_fields
from unitscope.graph.reproducibility import batch_note, ops_over_batch, random_note, random_ops
from unitscope.graph.taps import LAYER, tap_layers
from unitscope.networks import Network, eval_mode
from unitscope.text import count_noun
from unitscope.units import Layer, LayerTable, ReceptiveField


class Trace(Protocol):
    """A network with its layer table; builds modules that return responses or activation maps."""

    @property
    def layers(self) -> LayerTable:
        """All calls that can be tapped, in execution order."""
        ...

    @property
    def fallback_reason(self) -> str:
        """One sentence: why the network could not be exported and what the fallback lacks; empty if it was exported."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the network, a sentence each: the fallback, randomness, missing predictions."""
        ...

    @property
    def single_image(self) -> bool:
        """Whether images have to run one at a time, since an image's values depend on the others in its batch."""
        ...

    @property
    def head(self) -> Head:
        """Which output holds the logits, and how they become probabilities."""
        ...

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Layers whose units are the classes, as the logits are the means of their maps; empty if that is unknown."""
        ...

    @property
    def receptive_fields(self) -> Mapping[Layer, ReceptiveField]:
        """The receptive fields of the layers whose places have one; see `graph.receptive_fields`."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the forward pass: the ops, their order and their constants, without the weights."""
        ...

    def tapped(
        self,
        *,
        responses: Sequence[Layer] = (),
        maps: Sequence[Layer] = (),
        masks: Sequence[Layer] = (),
        peaks: Sequence[Layer] = (),
    ) -> nn.Module:
        """Return a module from ``(x, *masks)`` to ``(logits | None, responses | None, *maps)``.

        ``x`` is ``[image, channel, row, column]``. Responses are float32 ``[image, unit]``, the layers side by side.
        Each layer in ``maps`` adds one output, the layer's value in its own shape. Each layer in ``masks`` adds one
        input, float ``[unit]``: 0 sets a unit's map to zero, 1 keeps it. ``peaks``, layers with a receptive field, add
        two outputs: values and places of the units' peaks, ``[image, unit]``, the layers side by side; see `peak`.
        """
        ...


@dataclass(frozen=True, eq=False)
class ExportedTrace:
    """A network exported to a functional graph: every call is a node, and no value is modified in place."""

    layers: LayerTable
    graph_module: GraphModule
    nodes: dict[str, Node] = field(repr=False)
    head: Head
    fingerprint: str
    notes: tuple[str, ...] = ()
    class_layers: tuple[str, ...] = ()
    single_image: bool = False
    fallback_reason: str = ""

    @cached_property
    def receptive_fields(self) -> Mapping[Layer, ReceptiveField]:
        """See `Trace.receptive_fields`."""
        fields = receptive_fields(self.graph_module.graph)
        found = ((layer, fields.get(self.nodes[layer.name])) for layer in self.layers if len(layer.shape) == 3)
        return {layer: field for layer, field in found if field is not None}

    def tapped(
        self,
        *,
        responses: Sequence[Layer] = (),
        maps: Sequence[Layer] = (),
        masks: Sequence[Layer] = (),
        peaks: Sequence[Layer] = (),
    ) -> nn.Module:
        """See `Trace.tapped`; means, maps and masks are part of the graph itself."""
        return tap_layers(self.graph_module, self.nodes, responses=responses, maps=maps, masks=masks, peaks=peaks)


@dataclass(frozen=True, eq=False)
class HookedTrace:
    """A network that can't be exported, read through forward hooks on its leaf modules."""

    layers: LayerTable
    module: nn.Module
    head: Head
    fingerprint: str
    fallback_reason: str
    random: tuple[str, ...] = ()
    class_layers: tuple[str, ...] = ()
    single_image: bool = True

    @property
    def receptive_fields(self) -> Mapping[Layer, ReceptiveField]:
        """None is known, since hooks don't see what happens between modules."""
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Trace.notes`."""
        random = random_note(self.head.name, self.random) if self.random else ""
        return tuple(filter(None, (self.fallback_reason, random, self._uncalled_note(), self.head.note)))

    def with_layers_of(self, images: Tensor) -> "HookedTrace":
        """Return the trace with the layers of branches that only these images take, ``[image, channel, row, column]``.

        Raises:
            NetworkError: if the network doesn't run on one of them.
        """
        found = layers_of_images(self.layers.layers, self.module, images, self.head)
        return replace(self, layers=LayerTable(found, self.layers.network))

    def _uncalled_note(self) -> str:
        names = uncalled_modules(self.module, self.layers.layers)
        if not names:
            return ""
        return (
            f"{self.head.name} has modules that are no layers, as no input that was tried calls them, or their outputs "
            f"are not [image, …]: {_some(names)}"
        )

    def tapped(
        self,
        *,
        responses: Sequence[Layer] = (),
        maps: Sequence[Layer] = (),
        masks: Sequence[Layer] = (),
        peaks: Sequence[Layer] = (),
    ) -> nn.Module:
        """See `Trace.tapped`; responses and maps are NaN where an image's forward pass skips the layer."""
        return HookedTaps(self.module, self.head, means=tuple(responses), maps=tuple(maps), masks=tuple(masks))


def trace(module: nn.Module, size: tuple[int, int], *, name: str, channels: int = 3, classes: int = 0) -> Trace:
    """Return the trace of a module.

    Args:
        module: in evaluation mode; it is not modified.
        size: rows and columns of its input.
        name: the network's name in messages.
        channels: number of channels of its input.
        classes: number of the network's class names; 0 if it has none.

    Raises:
        NetworkError: if the module does not run on an input of this size, or returns another number of values for an
            image than it has class names.
    """
    example, head = torch.zeros(2, channels, *size, device=device_of(module)), Head(name, classes)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        example.normal_(generator=torch.Generator(example.device).manual_seed(0))
        try:
            return _export(module, example, head)
        except NetworkError:
            raise
        except Exception as problem:  # whatever stopped the export, hooks may still work
            reason = first_line(problem)
        return _hook(module, example[:1], Head(name, classes), reason)


def trace_of(network: Network) -> Trace:
    """Return the trace of a network at its own input size; see `trace`."""
    with eval_mode(network.module):
        phi = network.preprocessing
        return trace(
            network.module, phi.size, name=network.reference, channels=phi.channels, classes=len(network.classes)
        )


def device_of(module: nn.Module) -> torch.device:
    """Return the device of a module's parameters."""
    tensors = (*module.parameters(), *module.buffers())
    return tensors[0].device if tensors else torch.device("cpu")


def _export(module: nn.Module, example: Tensor, head: Head) -> ExportedTrace:
    with exporting():
        graph_module = export_logits(module, example, head)
        graph = graph_module.graph
        axes, calls = unit_axes(graph), list(calls_of(graph, module))
        named, lost = name_layers(graph, calls, axes), lost_activations(graph, calls, axes)
        fingerprint = graph_fingerprint(graph_module, module)
    for node, layer in named:
        node.meta[LAYER] = layer.name  # copies of the node keep it
    table = LayerTable(tuple(layer for _, layer in named), head.name)
    over_batch = ops_over_batch(graph)
    return ExportedTrace(
        table,
        graph_module,
        {layer.name: node for node, layer in named},
        head,
        fingerprint,
        _notes(graph_module, head, over_batch, lost),
        class_layers(graph, named),
        single_image=bool(over_batch),
    )


def _notes(graph_module: GraphModule, head: Head, over_batch: list[str], lost: list[str]) -> tuple[str, ...]:
    drawn = random_ops(graph_module.graph)
    notes = (
        random_note(head.name, drawn) if drawn else "",
        batch_note(head.name, over_batch) if over_batch else "",
        _lost_note(head.name, lost) if lost else "",
        head.note,
    )
    return tuple(filter(None, notes))


def _lost_note(name: str, lost: list[str]) -> str:
    return (
        f"{count_noun(len(lost), 'activation call')} of {name} can't be layers, since reshapes hide which axis holds "
        f"their units: {_some(lost)}"
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _hook(module: nn.Module, example: Tensor, head: Head, reason: str) -> HookedTrace:
    layers, drawn = record_layers(module, example, head)
    fallback_reason = (
        f"{head.name} can't be exported as a graph ({reason}), so it runs with forward hooks instead: only its modules "
        "become layers (functional ops do not), images run one at a time, and nothing is compiled"
    )
    table = LayerTable(layers, head.name)
    return HookedTrace(table, module, head, module_fingerprint(module), fallback_reason, tuple(drawn))
