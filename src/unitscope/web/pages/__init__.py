"""What each page of the explorer says, as plain values: the HTML page and its JSON twin are two forms of the same.

In: a `Shelf` and what the address names. Out: frozen dataclasses of numbers, strings and tuples. No HTML, no torch.
"""
