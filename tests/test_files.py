"""Files are written completely or not at all, and nothing else is touched."""

from __future__ import annotations

import _thread
import errno
import os
import signal
import threading
import time

import pytest

from explorable.files import check_target, uninterrupted, write_files


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def fail(error: BaseException, *after: bytes):
    def write(part):
        part.write_bytes(b"".join(after))
        raise error
    return write


def test_bytes_and_functions_are_written(tmp_path):
    write_files({tmp_path / "a": b"one", tmp_path / "b": lambda part: part.write_text("two")})
    assert contents(tmp_path) == {"a": b"one", "b": b"two"}


@pytest.mark.parametrize("interruptible", [False, True])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), TypeError("no"),
                                   KeyboardInterrupt()], ids=repr)
def test_a_failure_leaves_all_old_files_and_nothing_else(tmp_path, error, interruptible):
    write_files({tmp_path / "a": b"old", tmp_path / "b": b"old"})
    with pytest.raises(type(error)) as caught:
        write_files({tmp_path / "a": b"new", tmp_path / "b": fail(error, b"half")}, interruptible)
    assert contents(tmp_path) == {"a": b"old", "b": b"old"}
    if isinstance(error, OSError):
        assert caught.value.errno == errno.ENOSPC
        assert "No space left" in str(caught.value) and str(tmp_path / "b") in str(caught.value)


def test_an_open_file_keeps_its_contents(tmp_path):
    write_files({tmp_path / "a": b"old"})
    with (tmp_path / "a").open("rb") as file:
        write_files({tmp_path / "a": b"new"})
        assert file.read() == b"old" and (tmp_path / "a").read_bytes() == b"new"


def test_files_named_like_temporary_ones_are_kept(tmp_path):
    for name in ("a.part", ".a.part", "a.tmp"):
        (tmp_path / name).write_text("mine")
    write_files({tmp_path / "a": b"new"})
    with pytest.raises(ValueError):
        write_files({tmp_path / "a": fail(ValueError())})
    assert contents(tmp_path) == {"a": b"new", **dict.fromkeys(("a.part", ".a.part", "a.tmp"), b"mine")}


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_and_links_are_kept(tmp_path):
    (tmp_path / "plain").touch()
    write_files({tmp_path / "a": b"old"})
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode, "those of any new file"
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "link").symlink_to("a")
    write_files({tmp_path / "link": b"new"})
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_missing_folder_and_what_is_no_file_are_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere; create it first"):
        write_files({tmp_path / "nowhere" / "a": b""})
    with pytest.raises(IsADirectoryError, match="it is a folder; choose another name"):
        write_files({tmp_path / "b": b"", tmp_path / "folder": b""})
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert contents(tmp_path / "folder") == {"mine": b"mine"}
    if os.path.exists("/dev/null"):
        with pytest.raises(FileExistsError, match="device"):
            check_target("/dev/null")


@pytest.fixture
def default_interrupt():
    """Interrupts raise KeyboardInterrupt, also in a background job of a shell, which ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_is_raised_when_the_file_is_complete(tmp_path, default_interrupt):
    def slow(part):
        _thread.interrupt_main()
        time.sleep(0.2)
        part.write_text("all")

    with pytest.raises(KeyboardInterrupt):
        write_files({tmp_path / "a": slow})
    assert contents(tmp_path) == {"a": b"all"}


@pytest.mark.parametrize("begins", [True, False])
def test_an_interrupt_while_the_thread_starts_leaves_no_file_half_written(tmp_path, monkeypatch, begins):
    real = threading.Thread.start

    def start(thread):
        if begins:
            real(thread)
            time.sleep(0.05)
        raise KeyboardInterrupt

    def slow(part):
        time.sleep(0.2)
        part.write_text("all")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        write_files({tmp_path / "a": slow})
    assert contents(tmp_path) == ({"a": b"all"} if begins else {})


def test_uninterrupted_returns_and_raises_what_the_function_does():
    assert uninterrupted(threading.current_thread) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        uninterrupted(lambda: 1 // 0)
