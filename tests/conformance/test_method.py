from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.api import MethodCard, Option
from bench.conformance import Finding
from bench.conformance.method import check_method
from bench.conformance.samples import samples_for
from bench.conformance.subject import Limits, Subject

Check = Callable[..., dict[str, Finding]]
QUICK = Limits(timeout=0.5)


def card_of(module: str, name: str, **changes: Any) -> MethodCard:
    card = MethodCard(
        name="liar",
        title="Liar",
        implementation=f"{module}:{name}",
        needs=("image", "mask"),
        uses=("depth", "camera"),
        predicts=("albedo", "normal"),
        answers={"relit": ("environment", "reference+camera")},
        batch=4,
    )
    return replace(card, **changes)


@pytest.fixture
def check(liars: str) -> Check:
    """check(class name, card attributes) → check → finding."""

    def call(name: str, limits: Limits | None = None, **changes: Any) -> dict[str, Finding]:
        card = card_of(liars, name, **changes)
        findings = check_method(card, {}, "cpu", threads=1, limits=limits or Limits())
        return {finding.check: finding for finding in findings}

    return call


def failures(findings: Mapping[str, Finding]) -> list[str]:
    return [finding.check for finding in findings.values() if not finding.ok]


def test_an_honest_method_passes_every_check(check: Check, tmp_path: Path) -> None:
    findings = check("Honest")
    assert failures(findings) == []
    assert {"granted depth", "granted camera", "granted depth, camera"} <= findings.keys()
    assert "batch of one against many" in findings and "CPU against GPU" in findings
    assert not list(tmp_path.glob("bench-check-*")), "nothing is left behind"


def test_an_honest_scene_method_passes_every_check(check: Check) -> None:
    findings = check(
        "Scene",
        scope="scene",
        views="many",
        batch=1,
        needs=("image", "camera"),
        uses=(),
        predicts=("albedo", "environment"),
        answers={"view": ("camera", "framebuffer")},
    )
    assert failures(findings) == []


@pytest.mark.parametrize(
    ("liar", "caught", "says"),
    [
        ("WrongShape", "valid values", "albedo: shape (48, 64, 2) is not H×W×3"),
        ("Transposed", "aspect ratio", "64×48, which is no 48×64"),
        ("NotANumber", "valid values", "3 of 9216 are NaN"),
        ("LongNormals", "valid values", "neither of unit length"),
        ("Missing", "promised quantities", "normal was not returned"),
        ("Undeclared", "nothing undeclared", "'depth' is neither"),
        ("Unanswered", "queries answered", "'relit-environment' was not answered"),
        ("ReturnsATensor", "runs", "a Tensor cannot be sent; arrays cross as NumPy"),
        ("Unseeded", "same seed, same arrays", "albedo: differs by up to"),
        ("Remembering", "same seed, same arrays", "albedo: differs by up to"),
        ("HashSeeded", "fresh process, same arrays", "albedo: differs by up to"),
        ("BatchDependent", "batch of one against many", "albedo: differs by up to"),
        ("OneForAll", "one prediction per sample", "predict returned 1 for 4 samples"),
        ("Writing", "inputs left alone", "written to: ellipsoid0/view0 image"),
        ("WritingToAQuery", "inputs left alone", "relit-environment.environment"),
        ("RefusesToStart", "constructs", "crash: RuntimeError: no weights for this"),
        ("Crashing", "runs", "crash: RuntimeError: cannot divide the indivisible"),
        ("Dying", "runs", "crash: the worker died (SIGABRT)"),
        ("CrashingWhenGranted", "granted depth", "what shall I do with depth"),
        ("Absent", "constructs", "liars has no 'Absent'"),
    ],
)
def test_a_lie_is_caught(check: Check, liar: str, caught: str, says: str) -> None:
    finding = check(liar)[caught]
    assert not finding.ok
    assert says in finding.message


def test_a_method_that_hangs_is_stopped_and_named(check: Check) -> None:
    finding = check("Hanging", limits=QUICK)["runs"]
    assert not finding.ok
    assert finding.message == "timeout: no answer within 2 s"


def test_another_resolution_is_allowed_and_reported(check: Check) -> None:
    findings = check("HalfResolution")
    assert failures(findings) == []
    assert "24×32, to be resized to 48×64" in findings["resolution"].message


def test_a_failed_check_says_where_the_log_is(check: Check) -> None:
    findings = check("Crashing")
    log = Path(findings["log"].message.rpartition(" ")[2])
    assert "cannot divide the indivisible" in log.read_text()


def test_devices_are_compared_where_there_is_a_gpu(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Subject, "cuda", lambda self: "cuda:0")
    finding = check("OtherOnTheGpu")["CPU against GPU"]
    assert not finding.ok
    assert finding.message == "albedo differs by 0.01 of its mean"
    assert check("Honest")["CPU against GPU"].ok


def test_samples_of_a_dataset_are_checked_too(liars: str) -> None:
    card = card_of(liars, "NotANumber")
    (other, *_) = samples_for(card)
    findings = check_method(
        card, {}, "cpu", threads=1, extra_samples=[replace(other, scene="mine")]
    )
    (values,) = (finding for finding in findings if finding.check == "valid values")
    assert "1 more" in values.message


@pytest.mark.parametrize(
    ("changes", "caught", "says"),
    [
        ({"predicts": ("albdo",)}, "card", "'albdo' is no quantity; did you mean 'albedo'?"),
        ({"uses": ("image",)}, "card", "image is in needs and in uses"),
        ({"answers": {"relight": ("camera",)}}, "card", "'relight' is no query"),
        ({"answers": {"relit": ("camera+sun",)}}, "card", "'sun' is no condition"),
        ({"answers": {"relit": "environment"}}, "card", "must be a tuple"),
        ({"predicts": (), "answers": {}}, "card", "predicts nothing and answers nothing"),
        ({"batch": 0}, "card", "batch is 0"),
        ({"scope": "scene"}, "card", "views 'one' does not go with scope 'scene'"),
        ({"implementation": "no.such:Thing"}, "module", "no such module"),
        ({"implementation": "liars"}, "constructs", "not of the form"),
        ({"options": (Option("size", int, 3, bounds=(4, 9)),)}, "options", "3 leaves [4, 9]"),
        ({"options": (Option("size", int, 3, bounds=(9, 4)),)}, "options", "hold nothing"),
        ({"options": (Option("mode", str, "a", ("b", "c")),)}, "options", "'a' is none of"),
        ({"options": (Option("mode", str, "a", ("a", 1)),)}, "options", "must be str, not int"),
        ({"options": (Option("a b", str),)}, "options", "can be no keyword"),
        ({"options": (Option("a", str), Option("a", int))}, "options", "a is there twice"),
        ({"options": (Option("root", Path, required=True),)}, "options", "must be given"),
    ],
)
def test_a_card_that_contradicts_itself_is_caught(
    check: Check, changes: Mapping[str, Any], caught: str, says: str
) -> None:
    finding = check("Honest", **changes)[caught]
    assert not finding.ok
    assert says in finding.message
