import functools
import hashlib
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from unitscope.errors import NetworkError
from unitscope.networks import hub

ASK = """
from unitscope.errors import NetworkError
from unitscope.networks import load
try:
    load("{reference}")
except NetworkError as error:
    print(error)
"""


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder, and the address of a real server of its files."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (folder := tmp_path / "served").mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_download_is_kept_and_used_again(served):
    folder, address = served
    name = f"w-{hashlib.sha256(b'weights').hexdigest()[:8]}.pth"
    (folder / name).write_bytes(b"weights")
    first = hub.from_url(f"{address}/{name}", "torchvision:w")
    (folder / name).unlink()
    assert hub.from_url(f"{address}/{name}", "torchvision:w") == first
    assert first.read_bytes() == b"weights"


def test_a_download_with_another_hash_is_refused_and_not_kept(served, tmp_path):
    folder, address = served
    (folder / "w-00000000.pth").write_bytes(b"weights")
    with pytest.raises(NetworkError, match=r"can't download the weights of torchvision:w \(invalid hash value"):
        hub.from_url(f"{address}/w-00000000.pth", "torchvision:w")
    assert not list(tmp_path.glob("torch/**/*.pth"))


def test_a_download_checked_by_md5_is_kept_in_the_given_folder(served, tmp_path):
    folder, address = served
    (folder / "w.h5").write_bytes(b"weights")
    where = {"folder": tmp_path / "models", "md5": hashlib.md5(b"weights").hexdigest()}
    first = hub.from_url(f"{address}/w.h5", "keras:w", **where)
    (folder / "w.h5").unlink()
    assert hub.from_url(f"{address}/w.h5", "keras:w", **where) == first == tmp_path / "models" / "w.h5"
    assert first.read_bytes() == b"weights"
    assert list(first.parent.iterdir()) == [first]


def test_a_download_with_another_md5_is_refused_and_nothing_is_left(served, tmp_path):
    folder, address = served
    (folder / "w.h5").write_bytes(b"weigh")
    expected = hashlib.md5(b"weights").hexdigest()
    message = rf"can't download the weights of keras:w \(invalid hash value \(expected \"{expected}\".*download w.h5"
    with pytest.raises(NetworkError, match=message):
        hub.from_url(f"{address}/w.h5", "keras:w", folder=tmp_path / "models", md5=expected)
    assert not list((tmp_path / "models").iterdir())


def test_a_missing_file_gives_a_one_line_error(served):
    _, address = served
    with pytest.raises(NetworkError, match=r"\(Not Found|File not found\); download w.pth from http"):
        hub.from_url(f"{address}/w.pth", "torchvision:w")


def test_without_internet_torchvision_says_which_file_to_put_where(offline, tmp_path):
    output = offline(ASK.format(reference="torchvision:resnet50")).stdout
    assert output.startswith("can't download the weights of torchvision:resnet50 (")
    assert "download resnet50-11ad3fa6.pth from https://download.pytorch.org/models/" in output
    assert f"into {tmp_path / 'torch' / 'hub' / 'checkpoints'}, or give --weights FILE" in output
    assert output.endswith("or --weights none for random weights\n")
    assert output.count("\n") == 1


def test_without_internet_timm_says_which_repository_has_the_file(offline):
    pytest.importorskip("timm")
    output = offline(ASK.format(reference="timm:resnet18.a1_in1k"))
    assert "download model.safetensors from https://huggingface.co/timm/resnet18.a1_in1k" in output.stdout
    assert output.stdout.count("\n") == 1


def test_a_damaged_file_in_the_cache_is_reported(tmp_path, monkeypatch):
    from unitscope.networks import load

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (folder := tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (folder / "alexnet-owt-7be5be79.pth").write_bytes(b"half a file")
    with pytest.raises(NetworkError, match=r"alexnet-owt-7be5be79.pth' is not a weight file, or is damaged"):
        load("torchvision:alexnet")


def test_importing_networks_imports_no_model_library(offline):
    code = """
import json, sys, unitscope.networks
print(json.dumps([name for name in ("torchvision", "timm", "huggingface_hub") if name in sys.modules]))
"""
    assert json.loads(offline(code).stdout) == []
