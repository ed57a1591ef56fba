"""Networks run with something changed: units removed, images disturbed, and what comes of it.

In: a network, images, what to change. Out: predictions and responses before and after, made into numbers by `analyses`.
"""
