"""Questions put to an atlas, and what numbers from experiments mean: pure functions, arrays in, values out.

In: responses ``[image, unit]``, an `Atlas`, predictions. Out: frozen values and data frames.
This room must not print, draw, touch a path or import torch.
"""
