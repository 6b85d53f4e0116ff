"""A file on the disk that reports a failed write only at its end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any


class LateErrorFile(io.RawIOBase):
    """A file to write and read again, which goes on as if it had more room where a write fails.

    HDF5 ends the interpreter when a write fails, as on a full disk. `check` raises what went wrong.
    """

    def __init__(self, path: Path):
        self._file = path.open("w+b", buffering=0)
        self._position = self._size = 0
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the OSError of the first write that failed, if one did."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        try:
            self._file.seek(self._position)
            written = 0
            while self._error is None and written < len(view):  # a raw file may write less than it is given
                written += self._file.write(view[written:])
        except OSError as error:
            self._error = error
        self._position += len(view)
        self._size = max(self._size, self._position)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Read; what could not be written is read as zeros."""
        view = memoryview(buffer).cast("B")[:max(0, self._size - self._position)]
        self._file.seek(self._position)
        done = self._file.readinto(view)
        view[done:] = bytes(len(view) - done)
        self._position += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Set the size that is reported; what is added reads as zeros."""
        self._size = self._position if size is None else size
        return self._size

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()
