"""What each page of the explorer says, as plain values: the HTML page and its JSON twin are two forms of the same.

In: an `AtlasCache` and what the address names. Out: frozen dataclasses of plain values. No HTML, no torch.
"""
