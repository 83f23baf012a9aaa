"""Regions of system shared memory that clients have registered, read and written in place of bytes in a message.

Knows keys, offsets and sizes; knows no wire and no tensor.

A region is never mapped: it is read and written through its file. What another process does to it (writes while it
is read, shrinks it, unlinks it) can so neither stop this one, as a mapping beyond a shrunken file does, nor change
bytes that have been checked. Everything here runs on one event loop, so that a region that is gone stays gone.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from service.config import Oip
from service.errors import Forbidden, Invalid, NotFound, Overloaded

DIRECTORY = Path("/dev/shm")  # noqa: S108  # where POSIX shared memory is, by its definition on Linux
MAX_NAME_CHARACTERS = 128
RESERVED = ("sem.", "triton_python_backend_shm_region")
"""Beginnings of keys that belong to others: named semaphores, and what Triton's back ends use among themselves."""

_KEY = re.compile(r"/?([A-Za-z0-9_-][A-Za-z0-9._-]{0,249})")
_HIGHEST = 2**63 - 1


class Region:
    """A part of a shared memory object, from `offset` on `byte_size` long; closed when it is unregistered."""

    def __init__(self, name: str, key: str, offset: int, byte_size: int, descriptor: int) -> None:
        self.name = name
        self.key = key
        self.offset = offset
        self.byte_size = byte_size
        self._descriptor: int | None = descriptor

    def place(self, offset: int, byte_size: int) -> Place:
        """Return a place within the region; raises Invalid if it goes beyond it."""
        if not 0 <= offset <= self.byte_size or not 0 <= byte_size <= self.byte_size - offset:
            raise Invalid(
                f"Invalid offset + byte size for shared memory region: {self.name!a}",
                field="shared_memory_byte_size",
            )
        return Place(self, offset, byte_size)

    def read(self, offset: int, byte_size: int) -> memoryview:
        """Return a copy of bytes of the region; raises Invalid if they are not there any more."""
        copied = memoryview(bytearray(byte_size))
        done = 0
        while done < byte_size:
            count = os.preadv(self._file(), [copied[done:]], self.offset + offset + done)
            if count == 0:
                raise self._shrunken()
            done += count
        return copied

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes into the region; raises Invalid if it is gone, too small or cannot be written."""
        at = self.offset + offset
        if os.fstat(self._file()).st_size < at + len(data):
            raise self._shrunken()
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._file(), memoryview(data)[done:], at + done)
        except OSError as error:  # the file system may be full: what the object claims need not exist yet
            raise Invalid(f"shared memory region {self.name!a} cannot be written") from error

    def close(self) -> None:
        """Give the object back; whoever reads or writes the region from now on is refused."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _file(self) -> int:
        if self._descriptor is None:
            raise Invalid(f"shared memory region {self.name!a} was unregistered while the request ran")
        return self._descriptor

    def _shrunken(self) -> Invalid:
        return Invalid(f"shared memory region {self.name!a} is smaller than it was when it was registered")


@dataclass(frozen=True, slots=True)
class Place:
    """So many bytes of a region, from an offset within it on."""

    region: Region
    offset: int
    byte_size: int

    def write(self, output: str, data: bytes) -> None:
        """Put the bytes of an output here; raises Invalid if there is no room."""
        if len(data) > self.byte_size:
            raise Invalid(
                f"shared memory size specified with the request for output '{output}' ({self.byte_size} bytes) "
                f"should be at least {len(data)} bytes to hold the results",
                field=f"outputs.{output}",
            )
        self.region.write(self.offset, data)


class SharedMemory:
    """The registered regions by name: so many at most, and only of keys with the allowed beginning."""

    def __init__(self, settings: Oip, max_request_bytes: int, directory: Path = DIRECTORY) -> None:
        self.max_request_bytes = max_request_bytes
        self._prefix = settings.shared_memory_prefix
        self._max_regions = settings.shared_memory_regions
        self._directory = directory
        self._regions: dict[str, Region] = {}

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Open `key` and remember a part of it as `name`; raises ServiceError.

        No error tells the key, nor whether an object that cannot be opened is there.
        """
        _check_name(name)
        if name in self._regions:
            raise Invalid(f"shared memory region {name!a} already in manager", field="name")
        file = self._file_of(key)
        if not 0 <= offset <= _HIGHEST or not 1 <= byte_size <= _HIGHEST - offset:
            raise Invalid(
                f"shared memory region {name!a}: expected an offset of at least 0 and a size of at least 1 byte",
                field="byte_size",
            )
        if len(self._regions) >= self._max_regions:
            raise Overloaded(
                f"there are {self._max_regions} shared memory regions, which is all there may be"
            )
        descriptor = _opened(self._directory / file, name, offset + byte_size)
        self._regions[name] = Region(name, key, offset, byte_size, descriptor)

    def _file_of(self, key: str) -> str:
        match = _KEY.fullmatch(key)
        if match is None:
            raise Invalid("expected a key of letters, digits, '.', '_' and '-', after one '/'", field="key")
        if not match[1].startswith(self._prefix) or match[1].startswith(RESERVED):
            raise Forbidden("shared memory of this key is not for clients of this server", field="key")
        return match[1]

    def unregister(self, name: str) -> None:
        """Forget a region, if there is one of that name; with the name "", all of them."""
        for each in [name] if name else list(self._regions):
            region = self._regions.pop(each, None)
            if region is not None:
                region.close()

    def regions(self, name: str = "") -> list[Region]:
        """Return one region, or, without a name, all of them by name; raises NotFound."""
        if not name:
            return [self._regions[each] for each in sorted(self._regions)]
        found = self._regions.get(name)
        if found is None:
            raise NotFound(f"Unable to find system shared memory region: {_shown(name)}", field="name")
        return [found]

    def region(self, name: str) -> Region:
        """Return the region that a tensor is in; raises NotFound."""
        found = self._regions.get(name)
        if found is None:
            raise NotFound(
                f"Unable to find shared memory region: {_shown(name)}", field="shared_memory_region"
            )
        return found


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or not name.isprintable() or "/" in name:
        raise Invalid(
            f"expected 1 to {MAX_NAME_CHARACTERS} printable characters without '/' for a region", field="name"
        )


def _opened(path: Path, name: str, end: int) -> int:
    """Return the descriptor of an object of at least `end` bytes; raises Invalid."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Invalid(f"Unable to open shared memory region: {name!a}", field="key") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size < end:
        os.close(descriptor)
        raise Invalid(f"Invalid shared memory region: {name!a}", field="byte_size")
    return descriptor


def _shown(name: str) -> str:
    return ascii(name[:MAX_NAME_CHARACTERS])
