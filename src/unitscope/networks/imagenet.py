"""ImageNet's class names and wnids for networks with its 1000 classes.

In: a network's number of outputs. Out: names and wnids in the order of the logits.
"""


def imagenet_classes(outputs: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and the wnids of ImageNet's classes for 1000 outputs, otherwise two empty tuples."""
    if outputs != 1000:
        return (), ()
    from torchvision.models import AlexNet_Weights

    from unitscope.images import imagenet_wnids

    return tuple(AlexNet_Weights.DEFAULT.meta["categories"]), tuple(imagenet_wnids())
