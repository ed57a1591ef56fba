"""Experiments: run networks with removed units or perturbed images, and measure the effect.

In: a network, images, and what to change. Out: results, which `analyses` computes from predictions and responses before
and after the change.
"""
