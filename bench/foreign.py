"""A folder of anybody's predictions → a run of one row, scored like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.api import DatasetCard, Key, MethodCard
from bench.config import Benchmark, DatasetConfig, RunConfig, from_text, resolve_options
from bench.errors import BenchError, ConfigError, DataError, InvalidValueError, StoreError
from bench.handover import hand_over
from bench.jobs import Job
from bench.manifest import describe_run
from bench.plan import Plan, references, resolve_protocols
from bench.plugins import nearest, registry
from bench.quantities import VOCABULARY, validate
from bench.runner import Runner
from bench.store import ItemStatus, Store, read_prediction, slug
from bench.view import StoredRun
from bench.work import Progress, Settings, Work

CLASS = ("views", "mask", "camera", "geometry", "light", "fit", "training")


def score_folder(
    folder: Path,
    dataset: str,
    split: str,
    label: str,
    dataset_options: Mapping[str, str],
    protocols: Sequence[str],
    allowed: Mapping[str, str],
    store: Store,
    progress: Progress,
    own: Benchmark | None = None,
) -> StoredRun:
    """Copy predictions into `store`, score them, and return the run.

    `own` is a benchmark file whose own protocols are known too.

    Raises:
        ConfigError: unknown dataset, option, protocol or word of the input class.
        DataError: where the dataset cannot be opened, or the folder holds none of its samples.
    """
    card: DatasetCard = registry().find("dataset", dataset)
    given = from_text(card.options, dataset_options, "--option")
    options = resolve_options(card.options, given, "--option", Path.cwd())
    run = RunConfig(name=slug(label), protocols=tuple(protocols))
    data = (DatasetConfig(dataset, split, options),)
    file, changes = (own.file, own.protocols) if own else (Path("--protocol"), {})
    benchmark = Benchmark(file, run, (), data, changes)
    oracle_and_noise = references(benchmark, card, split, options)
    for word in allowed:
        if word not in CLASS:
            raise ConfigError(f"--allowed: unknown word {word!r}{nearest(word, CLASS)}")
    job = Job(
        label=label,
        kind="method",
        method=_card(folder, label, card),
        dataset=card,
        split=split,
        options={},
        dataset_options=options,
        granted=(),
        seed=0,
        device="cpu",
        threads=1,
        timeout=1.0,
        fit_timeout=1.0,
        memory=1,
        python="",
        stated={word: allowed.get(word, "unstated") for word in CLASS},
    )
    plan = Plan((job, *oracle_and_noise), (), resolve_protocols(benchmark, registry()))
    with store.locked():
        runner = Runner(plan, registry(), store, Settings(), progress)
        work = runner.work()
        work[0] = _adopted(work[0], folder, store)
        earlier = store.read_manifest()
        kept = [row["job"] for row in earlier.get("rows", ())]
        store.write_manifest(describe_run(plan, work, registry(), Settings(), earlier, kept))
        runner.run(work)
    if runner.unstored:
        raise StoreError(runner.unstored[0])
    return StoredRun(store.path)


def _card(folder: Path, label: str, dataset: DatasetCard) -> MethodCard:
    """A card that promises what the folder holds somewhere."""
    names = {path.name.partition(".")[0] for path in folder.glob("*/*/*")} & set(VOCABULARY)
    queries = names & set(dataset.queries)
    if not names:
        raise DataError(
            f"{folder}: no <scene>/<id>/<quantity>.<ext> here; see `bench score --help`"
        )
    return MethodCard(
        name=label,
        title="Predictions from a folder",
        implementation="bench.foreign:score_folder",
        needs=(),
        predicts=tuple(sorted(names - queries)),
        answers={query: dataset.queries[query] for query in queries},
    )


def _adopted(work: Work, folder: Path, store: Store) -> Work:
    """Store the folder's predictions as if a method had made them; nothing is left to predict."""
    found = {path.parent.name for path in folder.glob("*/*/*")}
    if not found & {slug(key.id) for key in work.opened.keys}:
        raise DataError(f"{folder}: holds none of the samples of {work.job.dataset.name}")
    for key in work.opened.keys:
        _adopt(work, key, folder / slug(key.scene) / slug(key.id), store)
    return replace(work, predict=[])


def _adopt(work: Work, key: Key, source: Path, store: Store) -> None:
    status = ItemStatus(key=work.key, kind="value")
    earlier = store.status(work.job.name, key)
    attempt = earlier.attempt + 1 if earlier is not None else 1
    prediction = {}
    try:
        if not source.is_dir():
            raise InvalidValueError("missing", f"{source}: no such folder")
        asked = hand_over(work.opened.dataset, work.job, key).queries
        answers = {query.id: query.quantity for query in asked}
        prediction = dict(read_prediction(source))
        for name, value in prediction.items():
            validate(answers.get(name, name), value)
        status = replace(status, answers={k: v for k, v in answers.items() if k in prediction})
    except InvalidValueError as error:
        status = replace(status, kind="failed", reason=error.kind, message=f"{source}: {error}")
    except BenchError as error:
        status = replace(status, kind="failed", reason="missing", message=str(error))
    kept = prediction if status.kind == "value" else {}
    store.write_item(work.job.name, key, replace(status, attempt=attempt), kept)
