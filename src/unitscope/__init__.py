"""unitscope: see what every unit of a pretrained vision network responds to, over a whole image data set.

The public names are listed in ``__init__.pyi`` and loaded when they are first used, so that ``import unitscope`` is
quick and reading an atlas never imports torch.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("unitscope")
