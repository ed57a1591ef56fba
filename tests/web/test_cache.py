"""The picture cache and its size limit."""

import shutil
import threading

import pytest

from unitscope.web.cache import Cache, cache_folder


def test_a_cached_picture_is_not_made_again(tmp_path):
    made = []
    cache = Cache(tmp_path)
    for _ in range(3):
        assert cache.get("cat", lambda: made.append(1) or b"meow") == b"meow"
    assert len(made) == 1
    assert Cache(tmp_path).get("cat", lambda: b"other") == b"meow"


def test_the_least_recently_used_picture_is_evicted_first(tmp_path):
    cache = Cache(tmp_path, max_bytes=30)
    for name in ("a", "b", "c"):
        cache.get(name, lambda: bytes(10))
    cache.get("a", lambda: b"new")
    cache.get("d", lambda: bytes(10))
    assert cache.get("a", lambda: b"new") == bytes(10)
    assert cache.get("b", lambda: b"new") == b"new"


def test_the_size_limit_holds_when_a_folder_is_reopened(tmp_path):
    for number in range(20):
        Cache(tmp_path, max_bytes=35).get(str(number), lambda: bytes(10))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 35


def test_the_cache_is_thread_safe(tmp_path):
    cache = Cache(tmp_path, max_bytes=500)
    wrong = []

    def ask(thread):
        for number in range(200):
            name = str((number * 7 + thread) % 80)
            if cache.get(name, lambda name=name: name.encode() * 10) != name.encode() * 10:
                wrong.append(name)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong
    assert cache.bytes == sum(file.stat().st_size for file in tmp_path.iterdir()) <= 500


def test_a_picture_that_can_not_be_stored_is_made_each_time(tmp_path):
    cache = Cache(tmp_path / "pictures")
    shutil.rmtree(tmp_path / "pictures")
    assert cache.get("cat", lambda: b"meow") == b"meow"
    assert cache.get("cat", lambda: b"purr") == b"purr"


def test_the_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder("atlas").is_relative_to(tmp_path / "cache")
    for given in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        assert cache_folder("atlas").is_relative_to(tmp_path / "home" / ".cache")
    assert cache_folder("other", tmp_path) != cache_folder("atlas", tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError, match="file"):
        cache_folder("atlas")
