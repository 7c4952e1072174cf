"""Downloads from a server on this machine, and archives that would do harm."""

import hashlib
import io
import shutil
import socket
import stat
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.datasets.sord.fetch import fetch_met_vases
from bench.datasets.sord.plugin import bench_datasets
from bench.errors import ConfigError, DataError, UnavailableError
from bench.fetching import fetch, unpack

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class Site:
    """What the server says and does, and what it was asked."""

    content: bytes = CONTENT
    tag: str = '"one"'
    ranges: bool = True
    stop_after: int | None = None
    redirect: str = ""
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """Serves one file, with ranges where If-Range still holds (RFC 9110)."""

    site: Site

    def do_GET(self) -> None:
        site = self.site
        wanted = self.headers.get("Range")
        site.asked.append(wanted)
        if site.redirect:
            self.send_response(302)
            self.send_header("Location", site.redirect)
            self.end_headers()
            return
        if self.path != "/file.zip":
            self.send_error(404)
            return
        start = 0
        if wanted and site.ranges and self.headers.get("If-Range") == site.tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(site.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(site.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            last = len(site.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(site.content)}")
        else:
            self.send_response(200)
        body = site.content[start:]
        self.send_header("Content-Length", str(len(body)))
        if site.tag:
            self.send_header("ETag", site.tag)
        self.end_headers()
        self.wfile.write(body[: site.stop_after])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    handler = type("Bound", (Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/file.zip"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_file_comes_whole_and_its_checksum_is_noted(site: Site, tmp_path: Path) -> None:
    fetched = fetch(site.url, tmp_path / "data" / "file.zip")
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.first
    assert fetched.sha256 == hashlib.sha256(CONTENT).hexdigest()
    note = tmp_path / "data" / "file.zip.sha256"
    assert note.read_text() == f"{fetched.sha256}  file.zip\n"
    left = {path.name for path in (tmp_path / "data").iterdir()} - {".file.zip.lock"}
    assert left == {"file.zip", "file.zip.sha256"}


def test_a_file_that_is_there_is_checked_and_not_asked_for(site: Site, tmp_path: Path) -> None:
    path = fetch(site.url, tmp_path / "file.zip").path
    again = fetch(site.url, path)
    assert not again.first
    assert len(site.asked) == 1
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"file.zip: SHA-256 .* of the first download"):
        fetch(site.url, path)


def test_a_broken_download_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.stop_after = 300_000
    with pytest.raises(UnavailableError, match=r"300000 of 1048576 bytes.*run the same command"):
        fetch(site.url, tmp_path / "file.zip")
    assert not (tmp_path / "file.zip").exists()
    site.stop_after = None
    assert fetch(site.url, tmp_path / "file.zip").path.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=300000-"]


def test_it_breaks_off_twice_and_still_arrives(site: Site, tmp_path: Path) -> None:
    site.stop_after = 400_000
    for _ in range(2):
        with pytest.raises(UnavailableError):
            fetch(site.url, tmp_path / "file.zip")
    fetched = fetch(site.url, tmp_path / "file.zip")
    assert fetched.path.read_bytes() == CONTENT
    assert site.asked[-1] == "bytes=800000-"


@pytest.mark.parametrize("why", ["changed", "no ranges", "no version"])
def test_it_starts_again_where_the_pieces_might_not_fit(
    site: Site, tmp_path: Path, why: str
) -> None:
    if why == "no version":
        site.tag = ""
    site.stop_after = 300_000
    with pytest.raises(UnavailableError):
        fetch(site.url, tmp_path / "file.zip")
    site.stop_after = None
    if why == "changed":
        site.content, site.tag = CONTENT[::-1], '"two"'
    site.ranges = why != "no ranges"
    assert fetch(site.url, tmp_path / "file.zip").path.read_bytes() == site.content


def test_a_download_that_was_complete_but_not_renamed_is_not_repeated(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "file.zip.partial").write_bytes(CONTENT)
    (tmp_path / "file.zip.validator").write_text('"one"')
    assert fetch(site.url, tmp_path / "file.zip").path.read_bytes() == CONTENT
    assert site.asked == [f"bytes={len(CONTENT)}-"]


def test_a_partial_file_that_is_too_long_is_given_up(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.zip.partial").write_bytes(CONTENT + b"more")
    (tmp_path / "file.zip.validator").write_text('"one"')
    assert fetch(site.url, tmp_path / "file.zip").path.read_bytes() == CONTENT


def test_another_file_than_the_first_is_refused_and_forgotten(site: Site, tmp_path: Path) -> None:
    fetch(site.url, tmp_path / "file.zip").path.unlink()
    site.content, site.tag = CONTENT[::-1], '"two"'
    with pytest.raises(DataError, match="was exchanged"):
        fetch(site.url, tmp_path / "file.zip")
    assert not list(tmp_path.glob("*.partial"))
    (tmp_path / "file.zip.sha256").unlink()
    assert fetch(site.url, tmp_path / "file.zip").first


def test_a_wrong_address_says_so(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="the server says 404"):
        fetch(site.url.replace("file", "other"), tmp_path / "file.zip")


def test_without_a_network_it_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(UnavailableError, match=r"cannot be reached .*with a network") as caught:
            fetch(f"http://127.0.0.1:{port}/file.zip", tmp_path / "file.zip")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,a", "a.zip"])
def test_other_schemes_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="begins with http"):
        fetch(url, tmp_path / "file.zip")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1:1/a"])
def test_a_redirect_to_another_scheme_is_refused(site: Site, tmp_path: Path, target: str) -> None:
    site.redirect = target
    with pytest.raises(UnavailableError):
        fetch(site.url, tmp_path / "file.zip")
    assert not (tmp_path / "file.zip").exists()


def test_a_download_larger_than_the_disk_is_refused_before_it_comes(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 0, 9))
    with pytest.raises(ConfigError, match="are free"):
        fetch(site.url, tmp_path / "file.zip")


def archive(path: Path, *entries: tuple[str | zipfile.ZipInfo, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in entries:
            written.writestr(name, content)
    return path


def special(name: str, kind: int) -> zipfile.ZipInfo:
    """An entry as Unix writes it: a link, a pipe …"""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (kind | 0o777) << 16
    return entry


def test_a_zip_is_unpacked_with_its_inner_links(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "a.zip",
        (special("rendering/val", stat.S_IFLNK), "test"),
        ("rendering/test/a.txt", "A"),
        ("image_mask/", ""),
    )
    folder = unpack(path, tmp_path / "out")
    assert (folder / "rendering/test/a.txt").read_text() == "A"
    assert (folder / "rendering/val").is_symlink()
    assert (folder / "rendering/val/a.txt").read_text() == "A"
    assert (folder / "image_mask").is_dir()


LEADING_OUT = ["../a", "b/../../a", "/tmp/a", "C:/a", "..\\a", "\\\\host\\share\\a", "b\\..\\..\\a"]


@pytest.mark.parametrize("name", LEADING_OUT)
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.zip", ("good", "x"), (name, "x"))
    with pytest.raises(DataError, match=r"a.zip.*leads out"):
        unpack(path, tmp_path / "deep" / "out")
    assert {entry.name for entry in tmp_path.rglob("*")} <= {"a.zip", "deep"}


LINKS = {
    "out": {"a": "../outside"},
    "absolute": {"a": "/etc"},
    "to nothing": {"a": "missing"},
    "to itself": {"a": "a"},
    "to its own folder": {"f/a": "../f"},
    "by way of another link": {"f/a": "b/../../outside", "f/b": ".."},
    "to another link": {"a": "b", "b": "f"},
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_that_leads_astray_is_refused(tmp_path: Path, kind: str) -> None:
    links = [(special(name, stat.S_IFLNK), target) for name, target in LINKS[kind].items()]
    (tmp_path / "outside").mkdir()
    path = archive(tmp_path / "a.zip", ("f/x", "x"), *links)
    with pytest.raises(DataError, match="link"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.partial").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    path = archive(
        tmp_path / "a.zip", (special("a", stat.S_IFLNK), "../outside"), ("a/harm.txt", "x")
    )
    with pytest.raises(DataError):
        unpack(path, tmp_path / "out")
    assert not list((tmp_path / "outside").iterdir())


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", (special("a", stat.S_IFIFO), ""))
    with pytest.raises(DataError, match="neither file"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("limits", [{"most_files": 2}, {"most_bytes": 10**6}])
def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, limits: dict[str, int]) -> None:
    path = archive(tmp_path / "a.zip", *((name, "0" * 10**6) for name in "abc"))
    with pytest.raises(DataError, match="are allowed"):
        unpack(path, tmp_path / "out", **limits)
    assert not (tmp_path / "out").exists()


def test_a_size_that_lies_is_found_out(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("a", "0" * 10**6))
    content = path.read_bytes()
    path.write_bytes(content.replace((10**6).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DataError, match="corrupt"):
        unpack(path, tmp_path / "out", most_bytes=100)
    assert not (tmp_path / "out").exists()


def damaged() -> dict[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("a", bytes(range(256)) * 99)
    whole = buffer.getvalue()
    return {
        "no zip": b"<html>not found</html>",
        "truncated": whole[: len(whole) // 2],
        "a flipped byte": whole[:60] + bytes([whole[60] ^ 255]) + whole[61:],
        "encrypted": whole.replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
        ),
    }


@pytest.mark.parametrize("kind", damaged())
def test_a_damaged_archive_is_named_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(damaged()[kind])
    with pytest.raises(DataError, match=r"a\.zip"):
        unpack(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_a_name_that_is_a_file_and_a_folder_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("a", "x"), ("a/b", "x"))
    with pytest.raises(DataError, match="corrupt"):
        unpack(path, tmp_path / "out")


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        unpack(archive(tmp_path / "a.zip", ("a", "x")), tmp_path / "out")


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for name in names:
            written.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize("around", ["", "met_vases/", "data/met_vases/"])
def test_the_command_unpacks_whatever_folders_are_packed_around(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], around: str
) -> None:
    site.content = zipped(f"{around}image_mask/train/images/a.jpg", "__MACOSX/a")
    fetch_met_vases(out=tmp_path, url=site.url)
    assert (tmp_path / "met_vases/image_mask/train/images/a.jpg").is_file()
    assert "trusted as the first seen" in capsys.readouterr().out
    fetch_met_vases(out=tmp_path, url=site.url)
    assert "is there already" in capsys.readouterr().out
    assert len(site.asked) == 1


def test_the_command_refuses_another_archive(site: Site, tmp_path: Path) -> None:
    site.content = zipped("readme.txt")
    with pytest.raises(DataError, match="holds no folder image_mask"):
        fetch_met_vases(out=tmp_path, url=site.url)
    assert not (tmp_path / "met_vases").exists()


def test_both_cards_fetch_from_the_publishers() -> None:
    for card, name in zip(bench_datasets(), ("met_vases.zip", "syn_vases.zip"), strict=True):
        (command,) = (command for command in card.commands if command.verb == "fetch")
        url = {option.name: option.default for option in command.options}["url"]
        assert url == f"https://www.robots.ox.ac.uk/~vgg/research/sorderender/data/{name}"
