"""From an address to a folder: tar archives, and the commands that bring whole data sets."""

import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.datasets.iiw.fetch import fetch_iiw
from bench.datasets.iiw.plugin import bench_datasets as iiw
from bench.datasets.mit.fetch import fetch_mit
from bench.datasets.mit.plugin import bench_datasets as mit
from bench.datasets.owl.fetch import fetch_owl
from bench.datasets.owl.plugin import bench_datasets as owl
from bench.errors import ConfigError, DataError, UnavailableError
from bench.fetching.installing import install
from bench.fetching.tarballs import unpack_tar

Entries = dict[str, bytes]


def tarred(path: Path, entries: Entries, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def odd(path: Path, kind: bytes) -> Path:
    """An archive of one entry that is neither file nor folder."""
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("a")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    return path


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """An address, and the folder whose files are there."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_is_unpacked_with_its_folders(tmp_path: Path, mode: str) -> None:
    archive = tarred(tmp_path / "a.tar", {"deep/er/a.txt": b"one", "b.bin": b"\0" * 5000}, mode)
    assert unpack_tar(archive, tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out/deep/er/a.txt").read_bytes() == b"one"
    assert (tmp_path / "out/b.bin").read_bytes() == b"\0" * 5000


@pytest.mark.parametrize("name", ["../a", "/tmp/a", "x/../../a", "C:/a", "x\\..\\..\\a"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    archive = tarred(tmp_path / "a.tgz", {"good": b"x", name: b"x"})
    with pytest.raises(DataError, match=r"a\.tgz: .* leads out of the folder"):
        unpack_tar(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.tgz: 'a' is neither file nor folder"):
        unpack_tar(odd(tmp_path / "a.tgz", kind), tmp_path / "out")


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda whole: whole[: len(whole) // 2],
    "a flipped byte": lambda whole: whole[:-20] + bytes([whole[-20] ^ 255]) + whole[-19:],
    "text": lambda whole: b"404 not found",
    "empty": lambda whole: b"",
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_archive_is_named_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    path = tarred(tmp_path / "a.tgz", {"a": bytes(range(256)) * 100})
    path.write_bytes(DAMAGES[kind](path.read_bytes()))
    with pytest.raises(DataError, match=r"a\.tgz: corrupt tar archive"):
        unpack_tar(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tgz"]


def test_more_than_is_allowed_is_refused(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tgz", {"a": bytes(10**6), "b": b""})
    for limits in ({"most_files": 1}, {"most_bytes": 10**6 - 1}):
        with pytest.raises(DataError, match="allowed"):
            unpack_tar(path, tmp_path / "out", **limits)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    for entries in ({"a": b"x", "a/b": b"x"}, {"a/b": b"x", "a": b"x"}):
        with pytest.raises(DataError, match="corrupt"):
            unpack_tar(tarred(tmp_path / "a.tgz", entries), tmp_path / "out")


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        unpack_tar(tarred(tmp_path / "a.tgz", {"a": b"x"}), tmp_path / "out")


@pytest.mark.parametrize("around", ["", "MIT-intrinsic/", "deep/er/"])
def test_fetch_mit_brings_the_folder_whatever_is_packed_around(
    site: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], around: str
) -> None:
    url, folder = site
    tarred(folder / "i.tar.gz", {f"{around}data/box/mask.png": b"x", "readme": b""})
    fetch_mit(out=tmp_path / "out", url=f"{url}/i.tar.gz")
    assert (tmp_path / "out/MIT-intrinsic/data/box/mask.png").read_bytes() == b"x"
    assert "trusted as the first seen" in capsys.readouterr().out
    fetch_mit(out=tmp_path / "out", url=f"{url}/gone")
    assert "is there already" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} - {
        "MIT-intrinsic",
        "intrinsic-data.tar.gz",
        "intrinsic-data.tar.gz.sha256",
        ".intrinsic-data.tar.gz.lock",
    } == set()


def test_fetch_iiw_unpacks_a_zip(site: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = site
    with zipfile.ZipFile(folder / "iiw.zip", "w") as archive:
        archive.writestr("iiw-dataset/data/54.png", "x")
    fetch_iiw(out=tmp_path, url=f"{url}/iiw.zip")
    assert (tmp_path / "iiw-dataset/data/54.png").is_file()


def test_fetch_owl_gathers_both_parts(
    site: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, folder = site
    for part, name in (("1", "antman"), ("2", "tpiece")):
        entries = {f"dataset/{name}/test/inputs/image_0000.png": name.encode()}
        tarred(folder / f"v1_{part}.tgz", entries)
    fetch_owl(out=tmp_path / "out", url=f"{url}/v1")
    for name in ("antman", "tpiece"):
        found = tmp_path / "out/owl/dataset" / name / "test/inputs/image_0000.png"
        assert found.read_bytes() == name.encode()
    capsys.readouterr()
    fetch_owl(out=tmp_path / "out", url=f"{url}/v1")
    assert capsys.readouterr().out.count("already") == 2


def test_fetch_owl_goes_on_after_a_part_that_failed(site: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = site
    tarred(folder / "v1_1.tgz", {"dataset/antman/test/inputs/exposure.txt": b"0"})
    with pytest.raises(UnavailableError, match=r"v1_2\.tgz"):
        fetch_owl(out=tmp_path / "out", url=f"{url}/v1")
    tarred(folder / "v1_2.tgz", {"dataset/tpiece/test/inputs/exposure.txt": b"0"})
    (folder / "v1_1.tgz").unlink()
    fetch_owl(out=tmp_path / "out", url=f"{url}/v1")
    assert len(list((tmp_path / "out/owl/dataset").glob("*/test/inputs"))) == 2


def test_another_archive_is_refused_and_leaves_no_folder(
    site: tuple[str, Path], tmp_path: Path
) -> None:
    url, folder = site
    tarred(folder / "a.tgz", {"readme": b"x"})
    with pytest.raises(DataError, match=r"a\.tgz: holds no data/box; is it the right archive"):
        install(f"{url}/a.tgz", tmp_path / "a.tgz", tmp_path / "out", "data/box")
    assert not (tmp_path / "out").exists()


def test_the_cards_fetch_from_the_publishers() -> None:
    urls = {
        card.name: {option.name: option.default for option in card.commands[0].options}["url"]
        for (card,) in (mit(), iiw(), owl())
    }
    assert urls == {
        "mit": "https://people.csail.mit.edu/rgrosse/intrinsic/intrinsic-data.tar.gz",
        "iiw": "https://labelmaterial.s3.amazonaws.com/release/iiw-dataset-release-0.zip",
        "owl": "https://github.com/isl-org/objects-with-lighting/releases/download/v1/"
        "objects-with-lighting-dataset-v1",
    }
