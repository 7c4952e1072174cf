"""`bench fetch owl`: the two archives of the release, in one folder."""

from pathlib import Path

from bench.fetching.installing import around, unpacked

_PARTS = ("_1.tgz", "_2.tgz")


def fetch_owl(*, out: Path, url: str) -> None:
    """Bring every object to `out`/owl/dataset/<object>; those that are there are left alone.

    Raises:
        ConfigError, UnavailableError, DataError, OSError: as `unpacked` and `around`.
    """
    folder = out / "owl" / "dataset"
    for part in _PARTS:
        archive = out / (url.rpartition("/")[2] + part)
        done = folder / f".{archive.name}.unpacked"
        if done.exists():
            print(f"{folder}: holds {archive.name} already; remove {done.name} to unpack it again")
            continue
        with unpacked(url + part, archive) as content:
            for found in around(archive, content, "test/inputs"):
                target = folder / found.name
                if not target.exists():
                    folder.mkdir(parents=True, exist_ok=True)
                    found.rename(target)
        done.touch()
    print(f"{folder.parent}: unpacked; set the dataset's option root to it")
