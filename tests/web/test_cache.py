"""The picture cache and its size limit."""

import threading

from unitscope.web.cache import Cache


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
