"""A file from the web: brought whole or in pieces, and checked.

Where nobody publishes a checksum there is only trust on first use: the SHA-256 of the first
download is noted beside the file, and whatever comes later under that name must agree with it.
"""

from __future__ import annotations

import hashlib
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout
from tqdm import tqdm

from bench.errors import ConfigError, DataError, UnavailableError

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""

_BLOCK = 2**20


@dataclass(frozen=True)
class Fetched:
    """A file that is there and was checked.

    Attributes:
        sha256: of its content, in hexadecimal digits.
        first: this is what `sha256` is trusted from; nothing was there to hold it against.
    """

    path: Path
    sha256: str
    first: bool


def fetch(url: str, path: Path) -> Fetched:
    """Bring `url` to `path`, going on where an earlier call broke off; a file that is there stays.

    What has come so far lies in `<name>.partial`. `<name>.sha256`, in the format of sha256sum, is
    written by the first download and decides afterwards.

    Raises:
        ConfigError: neither http nor https, too little space, or another process is downloading it.
        UnavailableError: no network, no such address, a connection that broke.
        DataError: the file is not the one that was first downloaded.
        OSError: it cannot be written.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ConfigError(f"{url}: give an address that begins with http:// or https://")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        if path.exists():
            return _checked(path, path)
        partial = _Partial(_beside(path, ".partial"), _beside(path, ".validator"))
        _download(url, partial)
        try:
            fetched = _checked(path, partial.data)
        except DataError:
            partial.forget()
            raise
        partial.data.replace(path)
        partial.forget()
        return fetched


@dataclass(frozen=True)
class _Partial:
    """What has come so far, and the server's word for which version of the file it is of."""

    data: Path
    validator: Path

    def begun(self) -> tuple[int, str]:
        """Bytes to go on from, and their version; without one the start is the only safe place."""
        if self.data.exists() and self.validator.exists():
            return self.data.stat().st_size, self.validator.read_text(encoding="ascii")
        return 0, ""

    def forget(self) -> None:
        self.data.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        with FileLock(_beside(path, ".lock"), timeout=0):
            yield
    except Timeout as error:
        raise ConfigError(f"{path}: another process is downloading it; wait for it") from error


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}{ending}" if ending == ".lock" else path.name + ending)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none from https to anything else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.type == "https" and urllib.parse.urlsplit(newurl).scheme != "https":
            raise UnavailableError(f"{req.full_url}: sends us on to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """One that knows http and https only; the usual one also opens file: and ftp:."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _download(url: str, partial: _Partial) -> None:
    """Bring the rest of `url` to the end of what is there."""
    start, validator = partial.begun()
    headers = {"User-Agent": "invrender-bench", "Accept-Encoding": "identity"}
    if start:
        # If-Range: where another version is behind the address by now, all of it comes.
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        with _opener().open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as reply:
            _receive(reply, partial, start)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:
            raise UnavailableError(f"{url}: the server says {error.code} {error.reason}") from error
        if error.headers.get("Content-Range") != f"bytes */{start}":  # else it is all there
            partial.forget()
            _download(url, partial)
    except urllib.error.URLError as error:
        raise UnavailableError(
            f"{url}: cannot be reached ({error.reason}); run the same command with a network"
        ) from error
    except (TimeoutError, ConnectionError, HTTPException) as error:
        raise UnavailableError(
            f"{url}: the connection broke ({error}); run the same command again, it goes on from "
            "where this one stopped"
        ) from error


def _receive(reply: HTTPResponse, partial: _Partial, start: int) -> None:
    """Write a reply to disk. Raises `ConnectionError` where it ends too early."""
    resumed = reply.status == 206 and reply.headers.get("Content-Range", "").startswith(
        f"bytes {start}-"
    )
    if not resumed and reply.status != 200:
        raise ConnectionError(f"an answer of status {reply.status} was not asked for")
    start = start if resumed else 0
    length = reply.headers.get("Content-Length")
    total = None if length is None else start + int(length)
    _refuse_too_much(partial.data.parent, 0 if length is None else int(length))
    if not resumed:
        partial.forget()
        partial.validator.write_text(_version(reply.headers), encoding="ascii")
    with (
        tqdm(total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
        partial.data.open("ab") as file,
    ):
        while block := reply.read(_BLOCK):
            file.write(block)
            bar.update(len(block))
        have = file.tell()
    if total is not None and have != total:
        raise ConnectionError(f"{have} of {total} bytes came")


def _version(headers: HTTPMessage) -> str:
    """What If-Range takes: a strong ETag, or else the date of the last change."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _refuse_too_much(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ConfigError(
            f"{folder}: {needed / 1e9:.1f} GB are to come and {free / 1e9:.1f} GB are free; make "
            "room, or choose another folder"
        )


def _checked(path: Path, content: Path) -> Fetched:
    """Hold the content against what was noted for `path`, or note it."""
    with content.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    note = _beside(path, ".sha256")
    if not note.exists():
        note.write_text(f"{found}  {path.name}\n", encoding="utf-8")
        return Fetched(path, found, first=True)
    noted = note.read_text(encoding="utf-8").partition(" ")[0]
    if found != noted:
        raise DataError(
            f"{path}: SHA-256 {found[:16]}… is not {noted[:16]}… of the first download, noted in "
            f"{note.name}: the file is damaged or was exchanged; remove it to download it again, "
            f"and {note.name} too if you trust the new one"
        )
    return Fetched(path, found, first=False)
