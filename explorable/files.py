"""Write files completely or not at all: beside the target, flushed, then moved there.

Readers see the old file or the new one, and a program that has the old one open keeps reading it. After a failure (a
full disk, a value that cannot be stored, an interrupt) the old file is there, and nothing else.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

Content = bytes | Callable[[Path], object]  # or a function that writes them to a path
Result = TypeVar("Result")


def uninterrupted(function: Callable[[], Result]) -> Result:
    """Call a function on a thread of its own, which no KeyboardInterrupt reaches; it is raised when the call is done.

    Libraries that take locks written in Python, as xarray does around HDF5, keep them locked after an interrupt.
    """
    outcome: Future[Result] = Future()
    claim, interrupt = threading.Lock(), None  # of the thread, or of an interrupt that comes before it has begun

    def work(outcome: Future[Result]) -> None:
        if claim.acquire(blocking=False):
            try:
                outcome.set_result(function())
            except BaseException as error:
                outcome.set_exception(error)

    try:
        threading.Thread(target=work, args=(outcome,)).start()
    except KeyboardInterrupt as error:
        if claim.acquire(blocking=False):
            raise
        interrupt = error
    while True:
        try:
            outcome.exception()  # waits
            break
        except KeyboardInterrupt as error:
            interrupt = error
    try:
        if interrupt:
            raise interrupt
        return outcome.result()
    finally:
        del outcome, interrupt  # an error would keep them, and they the error, with the open files of its frames


def check_target(path: str | Path) -> Path:
    """Return the file that writing to a path would replace: where it is a link, the file that it points to.

    Raises:
        FileNotFoundError: its folder does not exist. IsADirectoryError, FileExistsError: it exists and is no file.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {target.parent}; create it first")
    if target.exists() and not target.is_file():
        error = IsADirectoryError if target.is_dir() else FileExistsError
        raise error(f"{path} cannot be written: it is a {'folder' if target.is_dir() else 'device or a pipe'}; choose "
                    "another name")
    return target


def write_files(contents: Mapping[Path, Content], interruptible: bool = False) -> None:
    """Write files, and move them to their paths, in order, only when all are complete.

    interruptible: the functions compute for long; False: a KeyboardInterrupt is raised when all is written.

    Raises:
        OSError: a file cannot be written (`errno` says why). All old files are unchanged.
    """
    targets = {check_target(path): content for path, content in contents.items()}

    def write() -> None:
        parts = {target: target.with_name(f".{secrets.token_hex(8)}.part") for target in targets}
        try:
            for target, part in parts.items():
                _fill(part, targets[target])
                if target.exists():
                    shutil.copymode(target, part)
            for target, part in parts.items():
                part.replace(target)
        except OSError as error:
            names = " and ".join(str(path) for path in contents)
            raise OSError(error.errno or errno.EIO, f"{names} not written, and what was there is unchanged: "
                                                    f"{error.strerror or error}") from error
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)

    write() if interruptible else uninterrupted(write)


def _fill(part: Path, content: Content) -> None:
    """Write a file, and wait until it is on the disk."""
    if isinstance(content, bytes):
        part.write_bytes(content)
    else:
        content(part)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
