"""The protocol of network origins.

In: the name of a network and load options. Out: a `Network`. Origins are found through the entry points
`unitscope.networks`. The name of an entry point decides which references the origin loads: ``zoo`` loads references
that begin with ``zoo:``; a suffix such as ``.zoo`` loads files, ``FILE.zoo`` and ``FILE.zoo:NAME``.
"""

from collections.abc import Sequence
from typing import Protocol

from unitscope.networks.cards import LoadOptions
from unitscope.networks.network import Network
from unitscope.networks.weights import STATE_DICT_SUFFIXES


class Origin(Protocol):
    """Loads the networks of one scheme, or of one kind of file; docs/extending.md shows how to add an origin.

    Subclass it and define `form` and `load`; everything else has defaults.
    """

    form: str
    """The form of a reference in messages: ``torchvision:NAME``."""

    weight_suffixes: Sequence[str] = STATE_DICT_SUFFIXES
    """Suffixes of the weight files that its networks can load."""

    has_weights: bool = False
    """Whether a reference includes the weights, as a network card does."""

    def load(self, name: str, options: LoadOptions) -> Network:
        """Return a network.

        The caller has set the random seed, and replaces preprocessing and class names if the options have any.

        Args:
            name: the part after the scheme, or the whole reference of a file.
            options: the user's options. `LoadOptions.weights_choice` says whether the weights are the origin's own,
                random ones, or those of a file.

        Raises:
            NetworkError: if the name is unknown, a package is missing, or the weights can't be found or don't fit.
        """
        ...

    def names(self) -> Sequence[str]:
        """Return the names that `load` knows, which messages suggest for unknown names; none by default."""
        return ()
