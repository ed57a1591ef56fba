"""Networks run with something changed: units removed, images disturbed, and what comes of it.

In: a network, images, what to change. Out: predictions and responses before and after, made into numbers by `analyses`.
"""

from unitscope.experiments.removal import ablate
from unitscope.experiments.running import Running
from unitscope.experiments.settings import ORDERS, SCOPES, Settings

__all__ = ["ORDERS", "SCOPES", "Running", "Settings", "ablate"]
