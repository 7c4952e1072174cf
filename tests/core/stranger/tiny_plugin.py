"""Cards of a small stranger: scenes made by formula, methods that misbehave when told to."""

from pathlib import Path

from bench.api import DatasetCard, MethodCard, MetricCard, Option, Score, Weights, hookimpl

DATASET = DatasetCard(
    name="tiny",
    title="16×16 scenes made by formula",
    implementation="tiny_dataset:Tiny",
    inputs=("image", "mask", "camera"),
    targets=("normal", "albedo"),
    queries={"relit": ("environment",)},
    context=True,
    splits=("all",),
    options=(
        Option("scenes", int, 3, bounds=(1, None)),
        Option("items", int, 2, bounds=(1, None)),
        Option("size", int, 16),
        Option("on", str, ""),
        Option("fault", str, ""),
    ),
)

_OPTIONS = (
    Option("mode", str, "good"),
    Option("on", str, ""),
    Option("log", str, ""),
    Option("gain", float, 1.0, bounds=(0, 10)),
    Option("flavour", str, "plain", choices=("plain", "salted")),
)


def _method(name: str, implementation: str = "tiny_methods:Tiny", **parts: object) -> MethodCard:
    known: dict[str, object] = {
        "needs": ("image", "mask"),
        "predicts": ("normal", "albedo"),
        "answers": {"relit": ("environment",)},
        "options": _OPTIONS,
    }
    return MethodCard(name=name, title=name, implementation=implementation, **(known | parts))  # type: ignore[arg-type]


METHODS = (
    _method("tiny"),
    _method("tiny-batch", batch=4),
    _method("tiny-scene", "tiny_methods:TinyScene", scope="scene", views="many"),
    _method("tiny-granted", uses=("normal", "albedo")),
    _method("tiny-posed", needs=("image", "camera")),
    _method("tiny-few", views="few"),
    _method(
        "tiny-trained",
        options=(*_OPTIONS, Option("checkpoint", Path)),
        training="general",
        weights=Weights("checkpoint"),
    ),
    _method("tiny-mesh", needs=("image", "mesh")),
    _method("tiny-lacking", "tiny_methods:Lacking"),
    _method("tiny-absent", "no_such_module:Method"),
)


def _metric(name: str, quantity: str, over: str = "item", **parts: object) -> MetricCard:
    known: dict[str, object] = {
        "implementation": "tiny_metrics:Difference",
        "targets": (quantity,) if quantity else (),
        "scores": (Score(f"{quantity or 'cost'}.{name}", name, "lower"),),
    }
    return MetricCard(name=name, title=name, quantity=quantity, over=over, **(known | parts))  # type: ignore[arg-type]


METRICS = (
    _metric("tiny-normal", "normal"),
    _metric("tiny-albedo", "albedo"),
    _metric("tiny-relit", "relit"),
    _metric("tiny-pair", "albedo", "pair"),
    _metric("tiny-over-scene", "albedo", "scene"),
    _metric("tiny-over-dataset", "albedo", "dataset"),
    _metric("tiny-cost", "", reads=("cost",), implementation="tiny_metrics:Seconds"),
)

_FAULTY = ("raises", "segfaults", "unavailable", "infinite", "nan", "text", "fills")
FAULTY_METRICS = (
    *(
        _metric(f"tiny-{fault}", "normal", implementation=f"tiny_metrics:{fault.title()}")
        for fault in _FAULTY
    ),
    _metric("tiny-relit-segfaults", "relit", implementation="tiny_metrics:Segfaults"),
)
HANGING_METRIC = _metric("tiny-hangs", "normal", implementation="tiny_metrics:Hangs")


@hookimpl
def bench_datasets() -> tuple[DatasetCard, ...]:
    return (DATASET,)


@hookimpl
def bench_methods() -> tuple[MethodCard, ...]:
    return METHODS


@hookimpl
def bench_metrics() -> tuple[MetricCard, ...]:
    return METRICS
