"""A method that returns at once, and a dataset whose items cost nothing to read."""

from bench.api import DatasetCard, MethodCard, MetricCard, Option, Score, hookimpl

QUANTITIES = ("normal", "albedo", "shading", "depth", "roughness")


@hookimpl
def bench_methods() -> tuple[MethodCard, ...]:
    return (
        MethodCard(
            name="instant",
            title="Returns at once",
            implementation="instant:Method",
            needs=("image", "mask"),
            predicts=QUANTITIES,
        ),
    )


@hookimpl
def bench_datasets() -> tuple[DatasetCard, ...]:
    return (
        DatasetCard(
            name="instant",
            title="The same 128×128 item again and again",
            implementation="instant:Dataset",
            inputs=("image", "mask"),
            targets=QUANTITIES,
            options=(Option("items", int, 100),),
        ),
    )


@hookimpl
def bench_metrics() -> tuple[MetricCard, ...]:
    return tuple(
        MetricCard(
            name=f"instant-{quantity}",
            title="No time of its own",
            implementation="instant:Metric",
            quantity=quantity,
            targets=(quantity,),
            scores=(Score(f"{quantity}.instant", "", "lower"),),
        )
        for quantity in QUANTITIES
    )
