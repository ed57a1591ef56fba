"""Layers whose units are the network's classes themselves, such as SqueezeNet's last activation.

In: an atlas and a layer. Out: what to say of it. A unit there has a class's name, and is no feature. Only an atlas that
names such layers knows them; see `Manifest`.
"""

from dataclasses import replace

from unitscope.analyses.unit_rules import Rule
from unitscope.atlas import Atlas
from unitscope.units import Layer


def class_of_unit(atlas: Atlas, layer: Layer, channel: int) -> str:
    """Return the class that a unit is, by name or number; empty if the layer's units are not classes."""
    if layer.name not in atlas.class_layers:
        return ""
    names = atlas.manifest.classes
    return names[channel] if channel < len(names) else f"class {channel}"


def class_layer_note(atlas: Atlas, layer: Layer) -> str:
    """Return that a layer's units are the classes, in words; empty if they are not."""
    if layer.name not in atlas.class_layers:
        return ""
    return f"the units of {layer.call or layer.name} are the network's {layer.units:,} classes themselves"


def class_unit_note(atlas: Atlas, layer: Layer, channel: int) -> str:
    """Return that a unit is a class, in words; empty if it is not."""
    note = class_layer_note(atlas, layer)
    return note and f"{note}: unit {channel} is '{class_of_unit(atlas, layer, channel)}'"


def name_classes(atlas: Atlas, found: Rule) -> Rule:
    """Return a rule with the classes of its units, if its layer's units are the classes."""
    return replace(found, classes=tuple(filter(None, (class_of_unit(atlas, found.layer, int(u)) for u in found.units))))


def last_feature_layer(atlas: Atlas) -> Layer:
    """Return the last layer whose units are not the classes; the last layer if all are."""
    layers: tuple[Layer, ...] = atlas.layers.layers
    return next((layer for layer in reversed(layers) if layer.name not in atlas.class_layers), layers[-1])
