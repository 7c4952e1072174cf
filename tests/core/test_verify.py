"""`bench verify`: every record against what the stored predictions come to now."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import StoreError
from bench.plugins import Registry
from bench.verifying import Verdict, verify


@pytest.fixture
def finished(bench: Any) -> Any:
    """A run of two items by one method."""
    bench('name = "tiny"', dataset="scenes = 1")
    return bench


def verdict(finished: Any, registry: Registry | None = None) -> Verdict:
    return verify(finished.store.path, registry or finished.stranger.registry("tiny"))


def rewritten(file: Path, change: Callable[[Any], None]) -> None:
    """The JSON lines of a file, each changed in place."""
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    for entry in entries:
        change(entry)
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def manifest(finished: Any, change: Callable[[Any], None]) -> None:
    body = finished.store.read_manifest()
    change(body)
    finished.store.write_manifest(body)


def test_a_run_that_nobody_touched_holds_and_is_left_as_it_is(finished: Any) -> None:
    before = {file: file.stat() for file in finished.store.path.rglob("*")}
    found = verdict(finished)
    assert found.holds
    assert (found.different, found.left_out, found.published) == ([], {}, [])
    assert found.same == sum(len(json.loads(line)["outcomes"]) for line in finished.lines())
    after = {file: file.stat() for file in finished.store.path.rglob("*")}
    assert {file: stat.st_mtime_ns for file, stat in before.items()} == {
        file: stat.st_mtime_ns for file, stat in after.items()
    }


def test_a_record_that_was_changed_is_named_with_both_numbers(finished: Any) -> None:
    def better(record: Any) -> None:
        if record["metric"] == "tiny-albedo" and record["item"] == "item1":
            record["outcomes"][0][4] = 0.01

    rewritten(finished.store.records_file("tiny/tiny/all"), better)
    found = verdict(finished)
    (difference,) = found.different
    assert not found.holds
    assert (difference.job, difference.unit) == ("tiny/tiny/all", "scene0/item1")
    assert (difference.metric, difference.protocol) == ("albedo.tiny-albedo", "neutral")
    assert difference.stored == "0.01"
    assert float(difference.recomputed) == pytest.approx(0.1)


def test_a_prediction_that_was_changed_differs_in_all_that_reads_it(finished: Any) -> None:
    (file,) = finished.store.path.glob("predictions/*/*/*/scene0/item0/albedo.*")
    assert file.suffix == ".npy"
    np.save(file, np.full_like(np.load(file), 0.5))
    names = {difference.metric for difference in verdict(finished).different}
    assert {"albedo.tiny-albedo", "albedo.tiny-pair", "albedo.tiny-over-scene"} <= names
    assert not any(name.startswith(("normal.", "relit.")) for name in names)


def test_a_failure_is_recomputed_too(bench: Any) -> None:
    method = 'name = "tiny"\n[methods.options]\nmode = "raise"\non = "scene0/item0"'
    bench(method, dataset="scenes = 1")
    assert verdict(bench).holds

    def excused(record: Any) -> None:
        for outcome in record["outcomes"]:
            outcome[3:6] = ["value", 0.0, ""]

    rewritten(bench.store.records_file("tiny/tiny/all"), excused)
    assert any(d.recomputed == "failed (crash)" for d in verdict(bench).different)


def test_what_cannot_be_recomputed_is_said_and_is_no_difference(finished: Any) -> None:
    registry = finished.stranger.registry("tiny")
    cards = registry.cards["metric"]
    cards["tiny-albedo"] = replace(cards["tiny-albedo"], version=2)
    del cards["tiny-normal"]
    (finished.store.path / "predictions/tiny/tiny/all/scene0/item1/item.json").unlink()
    found = verdict(finished, registry)
    reasons = " ".join(reason for _, reason in found.left_out)
    assert "metric 'tiny-albedo' is version 2 here, was 1" in reasons
    assert "metric 'tiny-normal' is not installed" in reasons
    assert "its predictions are not here, or were replaced" in reasons
    assert found.same
    assert found.holds


def test_other_data_is_named_and_nothing_holds(finished: Any) -> None:
    def other(body: Any) -> None:
        body["rows"][0]["fingerprint"] = "another"

    manifest(finished, other)
    found = verdict(finished)
    ((_, reason),) = found.left_out
    assert "the data is not what was scored" in reason
    assert found.same == 0
    assert not found.holds


def test_a_dataset_that_is_not_installed_is_named(finished: Any) -> None:
    registry = finished.stranger.registry("tiny")
    del registry.cards["dataset"]["tiny"]
    ((_, reason),) = verdict(finished, registry).left_out
    assert "unknown dataset 'tiny'" in reason


def test_published_rows_are_told_apart(finished: Any) -> None:
    def published(body: Any) -> None:
        body["rows"][0]["kind"] = "published"

    manifest(finished, published)
    found = verdict(finished)
    assert found.published == ["tiny/tiny/all"]
    assert (found.same, found.different, found.left_out) == (0, [], {})
    assert found.holds


def test_a_users_own_protocol_is_recomputed_from_the_manifest(bench: Any) -> None:
    own = 'protocols = ["mine"]\n[protocols.mine]\nbase = "neutral"'
    bench.write('name = "tiny"', dataset="scenes = 1", run=own)
    bench.again()
    found = verdict(bench)
    assert found.same
    assert found.holds


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a run's folder"):
        verify(tmp_path, Registry())


def test_the_command_says_it_in_words_in_json_and_by_its_status(
    plain: Any, command: Any, tmp_path: Path
) -> None:
    plain.write(tmp_path, 'name = "tiny"', dataset="scenes = 1")
    command("run", "--no-report", "--out", tmp_path / "out", cwd=tmp_path)
    good = command("verify", tmp_path / "out")
    assert good.returncode == 0, good.stderr
    assert "0 differ" in good.stdout.splitlines()[-1]
    (records,) = (tmp_path / "out/records").glob("*.jsonl")

    def worse(record: Any) -> None:
        if record["metric"] == "tiny-over-scene":
            record["outcomes"][0][4] = 7.0

    rewritten(records, worse)
    bad = command("verify", tmp_path / "out")
    assert bad.returncode == 1
    assert (
        "differs: tiny/tiny/all scene0 albedo.tiny-over-scene (neutral): stored 7.0" in bad.stdout
    )
    as_json = command("verify", tmp_path / "out", "--json")
    assert as_json.returncode == 1
    body = json.loads(as_json.stdout)
    assert (len(body["different"]), body["holds"]) == (1, False)
