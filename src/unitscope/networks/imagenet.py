"""ImageNet's class names and wnids for a network that has its 1000 classes.

In: how many outputs a network has. Out: names and wnids in the order of the logits, or nothing.
Knows no network and no files.
"""


def imagenet_classes(outputs: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and the wnids of ImageNet's classes for 1000 outputs, else nothing of both."""
    if outputs != 1000:
        return (), ()
    from torchvision.models import AlexNet_Weights

    from unitscope.images import imagenet_wnids

    return tuple(AlexNet_Weights.DEFAULT.meta["categories"]), tuple(imagenet_wnids())
