"""Weight files from the internet, kept where torchvision, timm and Keras keep them.

In: an address. Out: a local file: the one already there, or a fresh download (progress goes to stderr).
Knows nothing of networks; where a download fails it says which file to bring and where to put it.
"""

import hashlib
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlparse

import torch

from unitscope.errors import NetworkError

_HUGGINGFACE_FILES = ("model.safetensors", "pytorch_model.bin")
_PATIENCE = 10  # seconds


def from_url(url: str, reference: str, *, folder: Path | None = None, md5: str | None = None) -> Path:
    """Return the local file of an address, in a folder, torch.hub's unless given; downloads are checked by hash.

    Raises:
        NetworkError: if it has to be downloaded and can't be.
    """
    folder = folder or Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / Path(urlparse(url).path).name
    if file.is_file():
        return file
    try:
        _answers(url)
        folder.mkdir(parents=True, exist_ok=True)
        _download(url, file, md5)
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        raise _unreachable(
            reference, error, f"bring {file.name} (from {url}) into {folder}, or give --weights FILE"
        ) from error
    return file


def from_huggingface(repository: str, filename: str | None, reference: str) -> Path:
    """Return the local file of a Hugging Face repository (``owner/name``, ``owner/name@revision``).

    Raises:
        NetworkError: if it has to be downloaded and can't be.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url, try_to_load_from_cache

    name, _, revision = repository.partition("@")
    names = (filename,) if filename else _HUGGINGFACE_FILES
    for candidate in names:
        cached = try_to_load_from_cache(name, candidate, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
    try:
        # The hub's client tries for most of a minute before it gives up.
        _answers(hf_hub_url(name, "config.json"))
        chosen = filename or _offered(name, revision or None)
        return Path(hf_hub_download(name, chosen, revision=revision or None))
    except Exception as error:
        todo = f"bring {names[0]} (from https://huggingface.co/{name}) and give it as --weights FILE"
        raise _unreachable(reference, error, todo) from error


def _download(url: str, file: Path, md5: str | None) -> None:
    """Check by MD5, or by the SHA-256 that torch.hub's file names hold."""
    if md5 is None:
        found = torch.hub.HASH_REGEX.search(file.name)
        torch.hub.download_url_to_file(url, str(file), found.group(1) if found else None)
        return
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        torch.hub.download_url_to_file(url, str(part))
        with part.open("rb") as content:
            given = hashlib.file_digest(content, "md5").hexdigest()
        if given != md5:
            raise RuntimeError(f'invalid hash value (expected "{md5}", got "{given}")')
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _answers(url: str) -> None:
    """Raise OSError unless a server answers at the address, whatever it says."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_PATIENCE):
            pass
    except urllib.error.HTTPError as error:
        error.close()


def _offered(name: str, revision: str | None) -> str:
    from huggingface_hub import file_exists

    safe, pickled = _HUGGINGFACE_FILES
    return safe if file_exists(name, safe, revision=revision) else pickled


def _unreachable(reference: str, error: Exception, todo: str) -> NetworkError:
    reason = getattr(error, "reason", error)
    lines = str(getattr(reason, "strerror", None) or reason).splitlines() or [type(error).__name__]
    return NetworkError(
        f"can't download the weights of {reference} ({lines[0][:120]}); {todo}, or --weights none for random weights"
    )
