"""A run's folder as reports read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from bench import records
from bench.api import Dataset, Key, Outcome, Prediction, Row, Sample, Score, Targets
from bench.errors import BenchError, DataError, StoreError
from bench.jobs import job_name
from bench.plugins import load, registry
from bench.references import Oracle, RenderNoise
from bench.store import Store

_INFINITE = {"inf": float("inf"), "-inf": float("-inf")}


class StoredRun:
    """Implements `bench.api.RunView` over a `Store`.

    The manifest's "published" are the values that stand beside measured rows: those that are
    verified, or with `unverified` all.
    """

    def __init__(self, path: Path, unverified: bool = False) -> None:
        self.path = path
        self.name = path.resolve().name
        self._store = Store(path)
        manifest = self._store.read_manifest()
        if not manifest:
            raise StoreError(f"{path}: no manifest.json here; this is not a run's folder")
        beside = [e for e in manifest.get("published", ()) if unverified or e["verified"]]
        self.manifest: Mapping[str, Any] = manifest | {"published": beside}
        self._datasets: dict[tuple[str, str], Dataset] = {}

    @cached_property
    def rows(self) -> Sequence[Row]:
        """Every row of the manifest, in its order."""
        names = Row.__dataclass_fields__
        return [
            Row(
                **{name: entry[name] for name in names} | {"privileged": tuple(entry["privileged"])}
            )
            for entry in self.manifest["rows"]
        ]

    @cached_property
    def scores(self) -> Mapping[str, Score]:
        """Every score id with its title, direction and unit."""
        names = Score.__dataclass_fields__
        return {
            key: Score(**{name: body[name] for name in names} | {"bounds": tuple(body["bounds"])})
            for key, body in self.manifest["scores"].items()
        }

    def outcomes(self) -> Iterator[Outcome]:
        """Every current outcome, row by row. Raises `StoreError` where records are damaged."""
        for row in self.manifest["rows"]:
            where = (row["label"], row["dataset"], row["split"])
            wanted = {key: body["digest"] for key, body in self.manifest["protocols"].items()}
            covered = {tuple(key) for key in row["samples"]}
            scenes = {scene for scene, _ in covered}
            for record in records.current(self._store, row["job"], row["key"]):
                if wanted.get(record["protocol"]) != record["comparison"]:
                    continue
                scene, item = record["scene"], record["item"]
                if scene and (scene not in scenes or (item and (scene, item) not in covered)):
                    continue
                for unit, metric, column, kind, value, reason, message in record["outcomes"]:
                    number = _INFINITE.get(value, value)
                    yield Outcome(
                        *where,
                        scene,
                        unit,
                        metric,
                        column,
                        record["protocol"],
                        kind,
                        number,
                        reason,
                        message,
                    )

    def keys(self, dataset: str, split: str) -> Sequence[Key]:
        """The samples of a split that this run covered."""
        return [Key(*key) for key in self._entry(dataset, split)["samples"]]

    def sample(self, dataset: str, split: str, key: Key) -> Sample:
        """The sample as the dataset offers it. Raises `DataError` where the data is not here."""
        return self._dataset(dataset, split).inputs(split, key)

    def targets(self, dataset: str, split: str, key: Key) -> Targets:
        """The truth. Raises `DataError` where the data is not here."""
        return self._dataset(dataset, split).targets(split, key)

    def prediction(self, row: Row, key: Key) -> Prediction:
        """What was predicted; empty where nothing was."""
        if row.kind == "oracle":
            sample = self.sample(row.dataset, row.split, key)
            return Oracle().predict(sample, self.targets(row.dataset, row.split, key))
        if row.kind == "noise":
            rerendering: Any = self._dataset(row.dataset, row.split)
            return RenderNoise().predict(rerendering, row.split, key)
        return self._store.prediction(job_name(row.label, row.dataset, row.split), key)

    def _entry(self, dataset: str, split: str) -> Mapping[str, Any]:
        for entry in self.manifest["rows"]:
            if (entry["dataset"], entry["split"]) == (dataset, split):
                found: Mapping[str, Any] = entry
                return found
        raise StoreError(f"{self.path}: no row covers {dataset}/{split}")

    def _dataset(self, name: str, split: str) -> Dataset:
        if (name, split) not in self._datasets:
            options = self._entry(name, split)["dataset_options"]
            try:
                made: Any = load(registry().find("dataset", name).implementation)(options)
            except BenchError as error:
                raise DataError(f"{name}/{split}: {error}") from error
            self._datasets[name, split] = made
        return self._datasets[name, split]
