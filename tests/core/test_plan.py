"""What meets what, why the rest does not, and what a prediction's key covers."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.api import DatasetCard, MethodCard, MetricCard, Option, Score
from bench.config import parse
from bench.errors import ConfigError
from bench.jobs import Job, applicable, digest
from bench.plan import Plan, make
from bench.plugins import Registry
from bench.references import Oracle

DATASET = DatasetCard(
    name="data",
    title="",
    implementation="bench.errors:DataError",
    inputs=("image", "mask", "camera"),
    targets=("normal", "albedo", "depth"),
    queries={"relit": ("environment", "reference", "framebuffer")},
    options=(Option("root", Path),),
)
METHOD = MethodCard(
    name="method",
    title="",
    implementation="bench.errors:DataError",
    needs=("image", "mask"),
    uses=("normal",),
    predicts=("normal", "albedo"),
    answers={"relit": ("environment",), "view": ("camera",)},
    options=(Option("gain", float, 1.0), Option("weights", Path)),
)


def metric(name: str, quantity: str, **parts: Any) -> MetricCard:
    return MetricCard(
        name=name,
        title=name,
        implementation="bench.errors:DataError",
        scores=(Score(f"{quantity}.{name}", name, "lower"),),
        quantity=quantity,
        **({"targets": (quantity,)} | parts),
    )


def registry(*cards: Any) -> Registry:
    found = Registry()
    kinds = {MethodCard: "method", DatasetCard: "dataset", MetricCard: "metric"}
    for card in cards:
        found.add("test", kinds[type(card)], card)
    return found


def planned(
    method: MethodCard = METHOD,
    dataset: DatasetCard = DATASET,
    data: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    **config: Any,
) -> Plan:
    raw = {
        "run": dict(run or {}),
        "methods": [{"name": method.name, **config}],
        "datasets": [{"name": dataset.name, "split": "all", "options": dict(data or {})}],
    }
    return make(parse(raw, Path("/here/bench.toml")), registry(method, dataset), "cpu")


def job(*arguments: Any, **config: Any) -> Job:
    (first, *_) = planned(*arguments, **config).jobs
    return first


def reason(*arguments: Any, **config: Any) -> str:
    (impossible,) = planned(*arguments, **config).impossible
    return impossible.reason


def test_a_method_meets_a_dataset_that_offers_its_needs() -> None:
    plan = planned()
    assert [each.name for each in plan.jobs] == ["method/data/all"]
    assert plan.impossible == ()
    assert [protocol.name for protocol in plan.protocols] == ["neutral"]


def test_metrics_are_skipped_by_patterns_of_their_names() -> None:
    metrics = [metric("relit-flip", "relit"), metric("relit-psnr", "relit")]
    raw = {"run": {"skip": ["*-flip"]}, "methods": [], "datasets": []}
    plan = make(parse(raw, Path("/here/bench.toml")), registry(*metrics), "cpu")
    assert [each.name for each in plan.scored(metrics)] == ["relit-psnr"]


def test_a_pattern_that_skips_nothing_is_named_with_the_nearest() -> None:
    raw = {"run": {"skip": ["relit-flop"]}, "methods": [], "datasets": []}
    with pytest.raises(
        ConfigError, match=r"run\.skip: no metric is called 'relit-flop'.*relit-flip"
    ):
        make(parse(raw, Path("/here/bench.toml")), registry(metric("relit-flip", "relit")), "cpu")


def test_what_is_lacking_is_the_reason() -> None:
    method = replace(METHOD, needs=("image", "mesh", "depth"))
    assert reason(method) == "needs depth, mesh, which data does not offer"


def test_a_method_that_predicts_nothing_known_is_impossible() -> None:
    method = replace(METHOD, predicts=("roughness",), answers={"view": ("camera",)})
    assert reason(method).startswith("predicts nothing that data knows and answers none of its")


def test_a_grant_that_the_dataset_does_not_know_is_impossible() -> None:
    method = replace(METHOD, uses=("mesh",))
    assert reason(method, privileged=["mesh"]) == "is granted mesh, which data does not know"


def test_a_grant_that_the_method_does_not_use_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"methods\[0\]\.privileged: method does not use 'al"):
        planned(privileged=["albedo"])


def test_only_answers_that_the_dataset_asks_for_remain() -> None:
    assert job().answers == {"relit": ("environment",)}
    both = replace(METHOD, answers={"relit": ("camera+reference", "reference")})
    assert job(both).answers == {"relit": ("reference",)}


@pytest.mark.parametrize(
    ("config", "phrase"),
    [
        ({"options": {"gian": 1.0}}, r"methods\[0\]\.options: unknown option 'gian'; did you mean"),
        ({"options": {"gain": "1"}}, r"methods\[0\]\.options\.gain: must be float"),
    ],
)
def test_a_wrong_option_names_the_method(config: dict[str, Any], phrase: str) -> None:
    with pytest.raises(ConfigError, match=f"/here/bench.toml: {phrase}"):
        planned(**config)


def test_unknown_names_come_with_the_nearest() -> None:
    raw = {
        "methods": [{"name": "methud"}],
        "datasets": [{"name": "data", "split": "all"}],
    }
    found = registry(METHOD, DATASET)
    with pytest.raises(ConfigError, match=r"methods\[0\]\.name: unknown method 'methud'; did you"):
        make(parse(raw, Path("/b.toml")), found, "cpu")
    raw["datasets"] = [{"name": "dat", "split": "all"}]
    with pytest.raises(ConfigError, match=r"datasets\[0\]\.name: unknown dataset 'dat'; did you"):
        make(parse(raw, Path("/b.toml")), found, "cpu")
    with pytest.raises(ConfigError, match=r"protocols: unknown protocol 'neutrl'; did you mean"):
        planned(run={"protocols": ["neutrl"]})


def test_paths_of_options_start_at_the_file() -> None:
    found = job(data={"root": "../data"}, python="../env/bin/python")
    assert found.dataset_options["root"] == "/data"
    assert found.python == "/here/../env/bin/python"  # a link to an interpreter is kept


def test_the_oracle_stands_where_its_truth_is_known() -> None:
    known = replace(DATASET, targets=("normal", "albedo", "environment"))
    assert [each.kind for each in planned(dataset=known).jobs] == ["method", "oracle"]
    rerendering = replace(DATASET, rerenders=True)
    assert [each.kind for each in planned(dataset=rerendering).jobs] == ["method", "noise"]
    assert Oracle.__name__ in planned(dataset=known).jobs[1].method.implementation


def test_floors_are_told_from_methods() -> None:
    assert job(replace(METHOD, floor=True)).kind == "floor"
    assert not job(replace(METHOD, floor=True)).row.ranked
    assert job().row.ranked


@pytest.mark.parametrize(
    ("method", "config", "expected"),
    [
        (METHOD, {}, {"mask": "given", "camera": "none", "geometry": "none", "views": "one"}),
        (METHOD, {}, {"light": "environment", "fit": "feed-forward", "training": "none"}),
        (METHOD, {"privileged": ["normal"]}, {"geometry": "given"}),
        (replace(METHOD, needs=("image", "camera")), {}, {"mask": "none", "camera": "given"}),
        (replace(METHOD, answers={"relit": ("reference",)}), {}, {"light": "photo"}),
        (replace(METHOD, answers={}), {}, {"light": "none"}),
        (
            replace(METHOD, answers={"relit": ("framebuffer+reference",)}),
            {},
            {"geometry": "given", "light": "photo"},
        ),
        (replace(METHOD, fit="per image", training="general"), {}, {"fit": "per image"}),
        (replace(METHOD, views="few"), {}, {"views": "few"}),
    ],
)
def test_the_input_class_follows_from_card_and_configuration(
    method: MethodCard, config: dict[str, Any], expected: dict[str, str]
) -> None:
    found = job(method, **config).row.input_class
    assert {name: found[name] for name in expected} == expected


def test_metrics_apply_where_the_method_predicts_and_the_dataset_knows() -> None:
    cards = [
        metric("good", "normal"),
        metric("not predicted", "depth"),
        metric("not known", "albedo", targets=("albedo", "roughness")),
        metric("asked", "relit"),
        metric("not asked", "view"),
        metric("also", "albedo", also=("normal",)),
        metric("also lacking", "albedo", also=("shading",)),
        metric("input", "albedo", inputs=("camera",)),
        metric("input lacking", "albedo", inputs=("mesh",)),
    ]
    names = [card.name for card in applicable(job(), cards)]
    assert names == ["good", "asked", "also", "input"]


BASE = job()
CHANGED: dict[str, dict[str, Any]] = {
    "an option": {"options": {"gain": 2.0}},
    "the method's version": {"method": replace(METHOD, version=2)},
    "its needs": {"method": replace(METHOD, needs=("image",))},
    "its views": {"method": replace(METHOD, views="few")},
    "its answers": {"method": replace(METHOD, answers={})},
    "what is granted": {"granted": ("normal",)},
    "the dataset's version": {"dataset": replace(DATASET, version=2)},
    "the dataset's options": {"dataset_options": {"root": "/other"}},
    "the split": {"split": "other"},
    "the seed": {"seed": 1},
}
UNCHANGED: dict[str, dict[str, Any]] = {
    "the label": {"label": "other"},
    "the device": {"device": "cuda:0"},
    "the threads": {"threads": 7},
    "the timeout": {"timeout": 1.0},
    "the memory": {"memory": 1},
}


def _with(**parts: Any) -> Job:
    return replace(BASE, **parts)


@pytest.mark.parametrize("what", CHANGED)
def test_the_key_changes_with(what: str) -> None:
    assert _with(**CHANGED[what]).key("data") != BASE.key("data")


@pytest.mark.parametrize("what", UNCHANGED)
def test_the_key_does_not_change_with(what: str) -> None:
    assert _with(**UNCHANGED[what]).key("data") == BASE.key("data")


def test_the_key_changes_with_the_fingerprint_of_the_data() -> None:
    assert BASE.key("data") != BASE.key("other data")


def test_the_key_changes_with_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    before = BASE.key("data")
    monkeypatch.setattr("bench.jobs.source_hash", lambda _: "another")
    assert BASE.key("data") != before


def test_the_key_changes_with_the_weights_that_an_option_names(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "a.npy").write_bytes(b"1")
    named = _with(options={"gain": 1.0, "weights": str(weights)})
    before = named.key("data")
    assert named.key("data") == before
    (weights / "a.npy").write_bytes(b"2")
    assert named.key("data") != before
    (weights / "a.npy").write_bytes(b"1")
    (weights / "deep").mkdir()
    (weights / "a.npy").rename(weights / "deep" / "a.npy")
    assert named.key("data") != before


def test_digests_do_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_own_protocols_stand_beside_the_named_ones() -> None:
    raw = {
        "run": {"protocols": ["mine", "mit"]},
        "protocols": {"mine": {"base": "neutral", "rules": {"normal.*": {"erosion": 3}}}},
    }
    found = registry(METHOD, DATASET, metric("mae", "normal"))
    plan = make(parse(raw, Path("/here/bench.toml")), found, "cpu")
    assert [(each.name, each.base) for each in plan.protocols] == [("mine", "neutral"), ("mit", "")]


@pytest.mark.parametrize(
    ("name", "body", "phrase"),
    [
        ("mine", {"base": "nutral"}, r"protocols\.mine\.base: unknown protocol 'nutral'; did you"),
        ("sord", {"base": "neutral"}, r"protocols\.sord: a built-in protocol is called 'sord'"),
    ],
)
def test_a_wrong_protocol_of_a_file_is_refused_though_no_run_asks_for_it(
    name: str, body: dict[str, Any], phrase: str
) -> None:
    with pytest.raises(ConfigError, match=f"/here/bench.toml: {phrase}"):
        make(parse({"protocols": {name: body}}, Path("/here/bench.toml")), registry(), "cpu")
