"""Analyses of atlases and statistics of experiments: pure functions.

In: an `Atlas`, responses ``[image, unit]``, predictions. Out: frozen results and data frames.
Analyses never print, draw, touch a path or import torch.
"""
