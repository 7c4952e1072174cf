"""`bench fetch stanford-orb`, from a server on this machine."""

import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.datasets.stanford_orb.fetch import MARKERS, fetch_stanford_orb
from bench.datasets.stanford_orb.plugin import bench_datasets
from bench.errors import ConfigError, DataError, UnavailableError


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a folder, and the folder."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", folder
    server.shutdown()
    thread.join()
    server.server_close()


def pack(site: Path, part: str, name: str, around: str) -> None:
    """An archive with one file, in folders as somebody may have packed them."""
    content = site.parent / f"content-{part}" / around / name
    content.parent.mkdir(parents=True)
    content.write_text(part)
    with tarfile.open(site / f"{part}.tar.gz", "w:gz") as archive:
        archive.add(site.parent / f"content-{part}", ".")


def fetched(site: tuple[str, Path], parts: str, out: Path) -> None:
    fetch_stanford_orb(parts=parts, out=out, url=site[0])


@pytest.mark.parametrize("around", ["", "blender_HDR", "data/stanfordorb/blender_HDR"])
def test_chosen_archives_are_unpacked_under_their_names(
    site: tuple[str, Path], tmp_path: Path, around: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pack(site[1], "blender_HDR", "teapot_scene001/transforms_train.json", around)
    pack(site[1], "ground_truth", "teapot_scene001/env_map/0000.exr", "ground_truth")
    fetched(site, "blender_HDR, ground_truth", tmp_path / "data")
    root = tmp_path / "data" / "stanford_orb"
    assert (root / "blender_HDR/teapot_scene001/transforms_train.json").read_text() == "blender_HDR"
    assert (root / "ground_truth/teapot_scene001/env_map/0000.exr").is_file()
    assert sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) == [
        "blender_HDR",
        "blender_HDR.tar.gz",
        "blender_HDR.tar.gz.sha256",
        "ground_truth",
        "ground_truth.tar.gz",
        "ground_truth.tar.gz.sha256",
    ]
    assert "SHA-256" in capsys.readouterr().out


def test_what_is_there_is_left_alone(site: tuple[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "data" / "stanford_orb" / "ground_truth"
    folder.mkdir(parents=True)
    fetched(site, "ground_truth", tmp_path / "data")
    assert not any(folder.iterdir())


def test_an_exchanged_archive_is_refused(site: tuple[str, Path], tmp_path: Path) -> None:
    pack(site[1], "ground_truth", "teapot_scene001/env_map/0000.exr", "")
    fetched(site, "ground_truth", tmp_path / "data")
    root = tmp_path / "data" / "stanford_orb"
    (root / "ground_truth").rename(tmp_path / "first")
    (root / "ground_truth.tar.gz").write_bytes(b"another")
    with pytest.raises(DataError, match=r"ground_truth\.tar\.gz: SHA-256"):
        fetched(site, "ground_truth", tmp_path / "data")
    assert not (root / "ground_truth").exists()


def test_another_archive_is_refused(site: tuple[str, Path], tmp_path: Path) -> None:
    pack(site[1], "ground_truth", "cats/0001.jpg", "")
    with pytest.raises(DataError, match=r"ground_truth\.tar\.gz: holds no .*env_map"):
        fetched(site, "ground_truth", tmp_path / "data")
    assert not (tmp_path / "data" / "stanford_orb" / "ground_truth").exists()


def test_what_is_not_there_cannot_be_had(site: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="404"):
        fetched(site, "blender_LDR", tmp_path / "data")


def test_an_unknown_part_is_refused_before_anything_is_downloaded(
    site: tuple[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"no archive 'blender'; there are blender_HDR"):
        fetched(site, "blender_HDR,blender", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_the_command_names_every_part() -> None:
    command = next(c for c in bench_datasets()[0].commands if c.verb == "fetch")
    parts = next(option for option in command.options if option.name == "parts")
    assert all(part in parts.help for part in MARKERS)
    assert set(parts.default.split(",")) < set(MARKERS)
