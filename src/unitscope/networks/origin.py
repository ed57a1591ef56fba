"""An origin: where networks come from, as every origin answers it.

In: the name of a network and how it is wanted. Out: a `Network`.
Origins are found through the entry points `unitscope.networks`. The name of an entry point says which references are
its own: ``zoo`` those that begin with ``zoo:``; ``.zoo``, a suffix, those of files: ``FILE.zoo`` and ``FILE.zoo:NAME``.
"""

from collections.abc import Sequence
from typing import Protocol

from unitscope.networks.cards import Recipe
from unitscope.networks.network import Network
from unitscope.networks.weights import STATE_DICT_SUFFIXES


class Origin(Protocol):
    """Loads the networks of one scheme, or of one kind of file; docs/extending.md shows how to add one.

    Subclass it and define `load`; the rest has defaults.
    """

    form: str
    """How a reference is written, as messages show it: ``torchvision:NAME``."""

    weight_suffixes: Sequence[str] = STATE_DICT_SUFFIXES
    """The suffixes of the weight files that its networks take."""

    has_weights: bool = False
    """Whether a reference says by itself which weights are meant, as a network card does."""

    def load(self, name: str, recipe: Recipe) -> Network:
        """Return a network; the seed is set, and the caller replaces φ and the classes where the recipe names others.

        Args:
            name: what follows the scheme, or the whole reference of a file.
            recipe: what is wanted. `Recipe.chosen_weights` are the weights: the origin's own, random ones, or a file.

        Raises:
            NetworkError: if the name is unknown, a package is missing, or the weights can't be found or don't fit.
        """
        ...

    def names(self) -> Sequence[str]:
        """Return the names that `load` knows, for the closest matches of one that is unknown; none by default."""
        return ()
