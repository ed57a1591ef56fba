import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.fixture(scope="session")
def shared():
    if not SHARED.is_dir():
        pytest.skip(f"the shared data and models are not at {SHARED}")
    return SHARED


@pytest.fixture
def photo():
    """A function that makes an image with structure at all scales."""

    def make(width, height, seed=0):
        rng = np.random.default_rng(seed)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((width, height), 3)
        noise = rng.normal(0, 20, (height, width, 3))
        return Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8))

    return make


@pytest.fixture
def tops():
    """A function that returns the top-1 and top-5 accuracy over every `step`-th image of class folders."""

    def measure(network, folder, labels, step):
        files = sorted(folder.glob("*/*.*"))[::step]
        right = np.zeros(2)
        for start in range(0, len(files), 25):
            some = files[start : start + 25]
            batch = torch.stack([network.preprocessing.prepare(Image.open(file)) for file in some])
            with torch.inference_mode():
                best = network.module(network.preprocessing.normalize(batch)).topk(5).indices.tolist()
            for file, guesses in zip(some, best, strict=True):
                truth = labels.index(file.parent.name)
                right += (guesses[0] == truth, truth in guesses)
        return right / len(files)

    return measure


@pytest.fixture
def offline(tmp_path):
    """A function that runs Python without network access or caches and returns its output."""

    def run(code):
        dead = "http://127.0.0.1:9"
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), dead)
        kept = {key: value for key, value in os.environ.items() if key.lower() not in ("no_proxy", "all_proxy")}
        env = kept | proxies | {"TORCH_HOME": str(tmp_path / "torch"), "HF_HOME": str(tmp_path / "hf")}
        return subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60
        )

    return run
