"""The content of each page of the explorer as plain values; its HTML and its JSON show the same values.

In: an `AtlasCache` and the parameters of the URL. Out: frozen dataclasses of plain values. No HTML, no torch.
"""
