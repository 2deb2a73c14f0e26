"""Downloads one file: resumed where it stopped, its hash checked before it takes its place."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib import request
from urllib.error import HTTPError, URLError

from denselab.errors import DataError, ExhaustedError

__all__ = ["Progress", "cache_folder", "download"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes there will be (None where nobody says)."""

_CHUNK = 2**18
_TIMEOUT_SECONDS = 30
_CONNECTIONS = 20
_OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT)


class _Job(NamedTuple):
    url: str
    part: Path
    progress: Progress | None
    size_limit: int


def cache_folder() -> Path:
    """Finds the folder for downloads.

    Returns:
        `$DENSELAB_CACHE` where it is set, else the user's cache folder of this system; it may not
        exist yet.
    """
    if named := os.environ.get("DENSELAB_CACHE"):
        return Path(os.path.expanduser(named))
    import pooch

    return Path(pooch.os_cache("denselab"))


def download(
    url: str,
    target: Path,
    *,
    sha256: str,
    progress: Progress | None = None,
    size_limit: int = 2**28,
) -> Path:
    """Downloads a file, unless it is there.

    Bytes go to `target` + `.part`. A run that was interrupted goes on from there if the server can
    send the rest, else it starts over. Proxies are taken from the environment (`http_proxy`,
    `https_proxy`, `no_proxy`). A second process that wants the same file waits for the first.

    Args:
        url: An http or https address.
        target: Where the file is to stand; its folder is made.
        sha256: The hash that the file must have, 64 hexadecimal digits.
        progress: Told after every piece.
        size_limit: Bytes after which the server is not believed any more.

    Returns:
        `target`, whole and checked.

    Raises:
        DataError: If the file could not be had, or has another hash (then the part is removed).
        ExhaustedError: If the disk is full; what has come is kept for the next run.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise DataError(
            f"cannot download {url!r}; give an address that begins with https:// or http://"
        )
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(target.name + ".lock")):
            if not target.exists():
                _fetch(_Job(url, part, progress, size_limit))
                _check_hash(part, sha256, url)
                _take_place(part, target)
    except OSError as error:
        raise _disk_error(error, target) from error
    return target


def _fetch(job: _Job) -> None:
    total: int | None = None
    for _ in range(_CONNECTIONS):
        before = _size(job.part)
        with _open(job.url, before) as response:
            first, total = _range(response.headers)
            if isinstance(response, HTTPError):  # Nothing follows what is there.
                if total == before:
                    return
                job.part.unlink()
                continue
            if response.status == 206 and first != before:
                job.part.unlink()
                continue
            if response.status != 206:
                total = response.length
            start = before if response.status == 206 else 0
            _check_room(job, start, total)
            _receive(job, response, start, total)
        if total is None or _size(job.part) == total:
            return
        if _size(job.part) <= before:
            break
    raise DataError(
        f"the download of {job.url} stopped at {_size(job.part):,} bytes of "
        f"{'an unknown number' if total is None else format(total, ',')}; "
        "run the same command again to go on from there"
    )


def _open(url: str, start: int) -> HTTPResponse | HTTPError:
    # Put together by hand: the stock opener would also follow a redirection to ftp.
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    headers = {"User-Agent": "denselab"} | ({"Range": f"bytes={start}-"} if start else {})
    otherwise = "or get the file another way and name its folder as data_dir"
    try:
        return opener.open(request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == 416 and start:
            return error
        with error:
            reason = " ".join(str(error.reason).split())
            raise DataError(
                f"{url} answered {error.code} {reason}; check the address, {otherwise}"
            ) from error
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise DataError(
            f"cannot reach {url} ({reason}); check the network and the proxy settings, {otherwise}"
        ) from error


def _range(headers: Message) -> tuple[int | None, int | None]:
    """Reads first byte and whole size out of `Content-Range: bytes 5-9/10` or `bytes */10`."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", headers["Content-Range"] or "")
    if found is None:
        return None, None
    first, whole = found.groups()
    return None if first is None else int(first), None if whole is None else int(whole)


def _check_room(job: _Job, start: int, total: int | None) -> None:
    if total is None:
        return
    if total > job.size_limit:
        raise DataError(
            f"{job.url} announces {total:,} bytes, expected at most {job.size_limit:,}; "
            "check the address"
        )
    free = shutil.disk_usage(job.part.parent).free + (_size(job.part) - start)
    if free < total - start:
        raise ExhaustedError(
            f"{job.part.parent} has {free:,} bytes free and the download needs {total - start:,}; "
            "make room, or set DENSELAB_CACHE to another folder"
        )


def _receive(job: _Job, response: HTTPResponse, start: int, total: int | None) -> None:
    done = start
    with job.part.open("ab") as file:
        file.truncate(start)
        while True:
            try:
                piece = response.read1(_CHUNK)
            except (HTTPException, OSError):  # Cut off: what has come stays, the caller goes on.
                return
            if not piece:
                return
            done += len(piece)
            if done > job.size_limit:
                job.part.unlink()
                raise DataError(
                    f"{job.url} sends more than {job.size_limit:,} bytes; check the address"
                )
            file.write(piece)
            if job.progress is not None:
                job.progress(done, total)


def _check_hash(part: Path, sha256: str, url: str) -> None:
    with part.open("rb") as file:
        came = hashlib.file_digest(file, "sha256").hexdigest()
    if came != sha256:
        part.unlink()
        raise DataError(
            f"{url} sent a file with SHA-256 {came}, expected {sha256}; it was removed: "
            "run again, or check the address"
        )


def _take_place(part: Path, target: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        if os.name == "posix":
            import fcntl

            # Some network file systems have no locks: two downloads may meet, and the hash tells.
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _disk_error(error: OSError, target: Path) -> DataError | ExhaustedError:
    if error.errno in _OUT_OF_SPACE:
        return ExhaustedError(
            f"no space left for {target.name} in {target.parent}; make room, or set DENSELAB_CACHE "
            "to another folder, and run again to go on"
        )
    return DataError(
        f"cannot write {target} ({error.strerror or error}); set DENSELAB_CACHE to a folder "
        "that you may write to"
    )
