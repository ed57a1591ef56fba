"""The gallery: every figure of `unitscope.figures`, drawn from photographs that packages ship, with its code.

In: a folder. Out: one PNG a figure there, and the text of the page. A function here is an entry: its name is the
figure's, its docstring the caption, its body the code that is shown.
"""

import inspect
import textwrap
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

from matplotlib.figure import Figure

import unitscope
from unitscope import figures
from unitscope.demo import NETWORK, write_photographs

Entry = Callable[[unitscope.Session, unitscope.Atlas], Figure]
HEAD = f"""# Gallery

Every figure that unitscope draws, made when these pages are built: `{NETWORK}` over the 20 photographs of
`unitscope demo`. So few images show how a figure looks, not what the
network knows. Each example continues this one:

```python
import unitscope
from unitscope import figures

session = unitscope.Session(unitscope.load("{NETWORK}"))
atlas = unitscope.open_atlas("photographs.atlas")
```
"""


def structure(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """The units of each layer that respond most to one image, shallow to deep."""
    layers = unitscope.LayerRange(start=4, step=5)
    return figures.draw(unitscope.structure(session, "photographs/nature/cat.jpg", layers=layers))


def exemplars(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """The images that one unit responds to most, with its activation maps."""
    return figures.draw(unitscope.exemplar_sheet(atlas, "act:20:448", network=session))


def unit_responses(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """How often one unit responds how strongly, and to which classes most."""
    return figures.draw(unitscope.unit_responses(atlas, "act:20:448"))


def ranked(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """Any ranking of units or images: here the units most correlated with one of them."""
    return figures.draw(unitscope.similar_units(atlas, "act:20:448", 12))


def layer_summary(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """The units of all layers: how many, how strong, how sparse, how many dead."""
    return figures.layer_summary(atlas.units, layers=atlas.layers)


def rules(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """The units that two images share, with exemplars and the overlap expected by chance."""
    names = ["people/astronaut.jpg", "people/officer.jpg"]
    groups = unitscope.image_groups(atlas, names, "act:33")
    shared = unitscope.intersection(groups, unitscope.TopK(20))
    return figures.draw(unitscope.rule_sheet(atlas, shared, network=session))


def layer_overlap(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """The units that two classes share at each layer, beside the number expected by chance."""
    return figures.draw(unitscope.layer_overlap(atlas, ["class:people", "class:textures"]))


def similarity(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """Cosines between the mean responses of classes, like beside like."""
    names = [f"class:{label.name}" for label in atlas.manifest.labels]
    result = unitscope.similarity(unitscope.image_groups(atlas, names, "act:33"))
    return figures.draw(result)


def similarity_by_layer(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """The cosine of two classes, layer after layer."""
    names = ["class:people", "class:textures", "class:space"]
    groups = [unitscope.image_groups(atlas, names, layer.name) for layer in atlas.layers]
    return figures.draw(unitscope.similarity_by_layer(groups))


def layer_similarity(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """How similarly layers see the same images (linear CKA)."""
    return figures.draw(unitscope.cka(atlas))


def sparsity(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """Histograms of the responses of a layer, over all images and for a class."""
    return figures.draw(unitscope.sparsity(atlas, "act:33", ["people", "textures"]))


def sparsity_by_layer(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """Indices of sparsity, layer after layer."""
    return figures.draw(unitscope.sparsity_by_layer(atlas))


def inhibition(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """Units that respond less to a class than to other images: here to photographs of things."""
    result = unitscope.class_inhibition(atlas, "act:33", "things")
    return figures.draw(unitscope.inhibition_sheet(atlas, result, units=3, network=session))


def ablation(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """How predictions change when units are removed."""
    grid = unitscope.AblationGrid(["act:33"], fractions=[0.1, 0.2, 0.4, 0.8], orders=["low", "high", "random"])
    return figures.draw(unitscope.ablate(session, "photographs", grid))


def perturbation(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """How far predictions, responses and selections move when noise is added to the images."""
    noise = [unitscope.Noise(sigma) for sigma in (0.05, 0.1, 0.2)]
    return figures.draw(unitscope.perturb(session, "photographs", noise))


def perturbed(session: unitscope.Session, atlas: unitscope.Atlas) -> Figure:
    """The activation maps of a unit, clean and with noise."""
    result = unitscope.perturb(session, "photographs", [unitscope.Noise(0.1)], units=["act:20:448"])
    return figures.draw(unitscope.perturbed_sheet(session, result))


def make(folder: Path) -> str:
    """Draw all entries into a folder, and return the page.

    Raises:
        ValueError: if `unitscope.figures` has a figure that the gallery lacks.
    """
    entries = [thing for thing in globals().values() if inspect.isfunction(thing) and thing.__module__ == __name__]
    entries = [entry for entry in entries if entry is not make and not entry.__name__.startswith("_")]
    missing = set(figures.__all__) - {entry.__name__ for entry in entries} - {"draw", "save"}
    if missing:
        raise ValueError(f"docs/gallery.py lacks the figures {sorted(missing)}; add a function for each")
    with chdir(folder):
        write_photographs(Path("photographs"))
        session = unitscope.Session(unitscope.load(NETWORK))
        atlas = unitscope.scan(session, "photographs", "photographs.atlas").atlas
        for entry in entries:
            figures.save(entry(session, atlas), f"{entry.__name__}.png")
    return HEAD + "".join(map(_section, entries))


def _section(entry: Entry) -> str:
    source = textwrap.dedent(inspect.getsource(entry).partition('"""\n')[2])
    code = source.replace("return ", "figure = ", 1)
    title = entry.__name__.replace("_", " ").capitalize()
    picture = f"![{title}](gallery/{entry.__name__}.png)"
    return f"\n## {title}\n\n{entry.__doc__}\n\n{picture}\n\n```python\n{code}```\n"
