"""Download weight files into the caches of torchvision, timm and Keras.

In: a URL or a Hugging Face repository. Out: a local file, from the cache or downloaded (progress goes to stderr).
Independent of networks. If a download fails, the error says which file to get and where to put it.
"""

import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlparse

import torch

from unitscope.errors import NetworkError
from unitscope.files import atomic_path

_HUGGINGFACE_FILES = ("model.safetensors", "pytorch_model.bin")
_TIMEOUT = 10  # seconds


def from_url(url: str, reference: str, *, folder: Path | None = None, md5: str | None = None) -> Path:
    """Return the local file of a URL, downloaded if necessary and then checked by its hash.

    Args:
        url: the file's URL.
        reference: the network's name in messages.
        folder: where the file is kept; torch.hub's folder by default.
        md5: the file's MD5; by default the hash in the file name, as in torch.hub.

    Raises:
        NetworkError: if the download fails.
    """
    folder = folder or Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / Path(urlparse(url).path).name
    if file.is_file():
        return file
    try:
        _check_reachable(url)
        folder.mkdir(parents=True, exist_ok=True)
        _download(url, file, md5)
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        raise _unreachable(
            reference, error, f"download {file.name} from {url} into {folder}, or give --weights FILE"
        ) from error
    return file


def from_huggingface(repository: str, filename: str | None, reference: str) -> Path:
    """Return the local file of a Hugging Face repository (``owner/name``, ``owner/name@revision``).

    Raises:
        NetworkError: if the download fails.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url, try_to_load_from_cache

    name, _, revision = repository.partition("@")
    names = (filename,) if filename else _HUGGINGFACE_FILES
    for candidate in names:
        cached = try_to_load_from_cache(name, candidate, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
    try:
        # The hub's own client would retry for most of a minute.
        _check_reachable(hf_hub_url(name, "config.json"))
        chosen = filename or _available_file(name, revision or None)
        return Path(hf_hub_download(name, chosen, revision=revision or None))
    except Exception as error:
        todo = f"download {names[0]} from https://huggingface.co/{name} and give it as --weights FILE"
        raise _unreachable(reference, error, todo) from error


def _download(url: str, file: Path, md5: str | None) -> None:
    """Download a file and check its MD5, or the SHA-256 that is part of torch.hub's file names."""
    if md5 is None:
        found = torch.hub.HASH_REGEX.search(file.name)
        torch.hub.download_url_to_file(url, str(file), found.group(1) if found else None)
        return
    with atomic_path(file) as part:
        torch.hub.download_url_to_file(url, str(part))
        with part.open("rb") as content:
            given = hashlib.file_digest(content, "md5").hexdigest()
        if given != md5:
            raise RuntimeError(f'invalid hash value (expected "{md5}", got "{given}")')


def _check_reachable(url: str) -> None:
    """Raise OSError if no server responds; any HTTP status counts as a response."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_TIMEOUT):
            pass
    except urllib.error.HTTPError as error:
        error.close()


def _available_file(name: str, revision: str | None) -> str:
    from huggingface_hub import file_exists

    safetensors, pickle = _HUGGINGFACE_FILES
    return safetensors if file_exists(name, safetensors, revision=revision) else pickle


def _unreachable(reference: str, error: Exception, todo: str) -> NetworkError:
    reason = getattr(error, "reason", error)
    lines = str(getattr(reason, "strerror", None) or reason).splitlines() or [type(error).__name__]
    return NetworkError(
        f"can't download the weights of {reference} ({lines[0][:120]}); {todo}, or --weights none for random weights"
    )
