"""`bench run` and `bench plan`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bench import config
from bench.cli.progress import progress_bar
from bench.config import Benchmark
from bench.environment import choose_device
from bench.errors import BenchError, ConfigError
from bench.plan import Plan, make
from bench.plugins import nearest, registry
from bench.work import Progress, Settings, Work

_SELECTION = (
    click.option(
        "--config",
        "file",
        type=click.Path(path_type=Path),
        default=Path("bench.toml"),
        show_default=True,
        help="The benchmark file.",
    ),
    click.option("--methods", help="Only these labels or names, separated by commas."),
    click.option("--datasets", help="Only these datasets, separated by commas."),
    click.option("--limit", type=click.IntRange(1), help="Only the first N samples of each."),
    click.option("--device", help="auto, cpu, cuda or cuda:N."),
    click.option("--out", type=click.Path(path_type=Path), help="The run's folder."),
    click.option("--jobs", type=click.IntRange(1), help="Worker processes."),
    click.option("--retry-failed", is_flag=True, help="Try crashed and timed-out items again."),
)


def _selection(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_SELECTION):
        command = option(command)
    return command


class _Chosen:
    """A benchmark file with the command line's overrides applied."""

    def __init__(
        self,
        file: Path,
        methods: str | None,
        datasets: str | None,
        limit: int | None,
        device: str | None,
        out: Path | None,
        jobs: int | None,
        retry_failed: bool,
    ) -> None:
        from bench.store import Store

        whole = config.read(file)
        run = whole.run
        run = replace(run, device=device or run.device, jobs=jobs or run.jobs)
        self.benchmark = replace(whole, run=run)
        chosen = choose_device(run.device)
        everything = make(self.benchmark, registry(), chosen)
        self.plan = _selected(everything, self.benchmark, methods, datasets)
        kept = {job.name for job in self.plan.jobs}
        self.left_out = [job.name for job in everything.jobs if job.name not in kept]
        self.settings = Settings(run.jobs, limit, retry_failed)
        default = whole.folder / (run.out or f"runs/{run.name}")
        self.store = Store(out or default)


def _selected(plan: Plan, benchmark: Benchmark, methods: str | None, datasets: str | None) -> Plan:
    labels = {job.label: job.method.name for job in plan.jobs}
    labels |= {entry.label or entry.name: entry.name for entry in benchmark.methods}
    wanted = _names(methods, {*labels, *labels.values()}, "--methods")
    known = {entry.name for entry in benchmark.datasets}
    data = _names(datasets, known, "--datasets")
    jobs = tuple(
        job
        for job in plan.jobs
        if (wanted is None or {job.label, job.method.name} & wanted or job.kind in _REFERENCES)
        and (data is None or job.dataset.name in data)
    )
    impossible = tuple(
        entry
        for entry in plan.impossible
        if (wanted is None or {entry.label, labels[entry.label]} & wanted)
        and (data is None or entry.dataset in data)
    )
    return replace(plan, jobs=jobs, impossible=impossible)


_REFERENCES = ("oracle", "noise")


def _names(given: str | None, known: set[str], flag: str) -> set[str] | None:
    if given is None:
        return None
    names = {name.strip() for name in given.split(",") if name.strip()}
    for name in sorted(names - known):
        raise ConfigError(f"{flag}: unknown name {name!r}{nearest(name, known)}")
    return names


@click.command()
@_selection
@click.option("--no-report", is_flag=True, help="Leave the reports unwritten.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def run(no_report: bool, as_json: bool, **selection: Any) -> int:
    """Run every method on every dataset it fits, score, and write the reports.

    What is finished is never done again: interrupt at will and run again. Exit status: 0 every
    outcome a value, given or unavailable; 1 some failed; 2 the run could not start; 130
    interrupted.
    """
    from bench.manifest import describe_run
    from bench.reporting import summarise, write_reports
    from bench.runner import Runner
    from bench.view import StoredRun

    chosen = _Chosen(**selection)
    if not chosen.plan.jobs:
        reasons = "; ".join(f"{e.label} on {e.dataset}: {e.reason}" for e in chosen.plan.impossible)
        raise ConfigError(f"{chosen.benchmark.file}: nothing to run: {reasons or 'no methods'}")
    for broken in registry().broken:
        click.echo(f"warning: plugin {broken.plugin}: {broken.error}", err=True)
    with chosen.store.locked(), progress_bar() as progress:
        runner = Runner(chosen.plan, registry(), chosen.store, chosen.settings, progress)
        work = runner.work()
        earlier = chosen.store.read_manifest()
        manifest = describe_run(
            chosen.plan, work, registry(), chosen.settings, earlier, chosen.left_out
        )
        chosen.store.write_manifest(manifest)
        runner.run(work)
    view = StoredRun(chosen.store.path)
    summary = summarise(view)
    click.echo(json.dumps(summary.as_dict(), indent=1) if as_json else summary.as_text())
    try:
        if not no_report:
            write_reports(view, chosen.store.path / "report", registry())
    except BenchError as error:
        click.echo(f"error: {error}", err=True)
        return 1
    return 1 if summary.failed or runner.unstored else 0


@click.command()
@_selection
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(as_json: bool, **selection: Any) -> None:
    """Show jobs, what is cached, missing and impossible, and the time and disk it would take.

    Nothing is executed. Time and disk are estimated from items that earlier runs beside this one
    have finished.
    """
    from bench.estimate import estimate
    from bench.runner import Runner

    chosen = _Chosen(**selection)
    runner = Runner(chosen.plan, registry(), chosen.store, chosen.settings, Progress())
    rows = [_planned(each, estimate(each, chosen.store)) for each in runner.work()]
    refused = [vars(entry) for entry in chosen.plan.impossible]
    if as_json:
        click.echo(json.dumps({"jobs": rows, "impossible": refused}, indent=1))
        return
    for row in rows:
        click.echo(
            f"{row['job']:<48} {row['cached']:>5} cached {row['missing']:>5} missing   "
            f"{_about(row['seconds'], 's')}  {_about(row['megabytes'], 'MB')}"
        )
    for entry in refused:
        click.echo(f"{entry['label'] + '/' + entry['dataset']:<48} impossible: {entry['reason']}")
    known = [row["seconds"] for row in rows if row["seconds"] is not None]
    click.echo(f"about {sum(known):.0f} s for what can be estimated; {chosen.store.path}")


def _planned(work: Work, cost: tuple[float | None, float | None]) -> dict[str, Any]:
    missing = len(work.predict)
    seconds, size = (None if each is None else each * missing for each in cost)
    return {
        "job": work.job.name,
        "kind": work.job.kind,
        "cached": len(work.opened.keys) - missing,
        "missing": missing,
        "seconds": seconds,
        "megabytes": None if size is None else size / 1e6,
    }


def _about(value: float | None, unit: str) -> str:
    return f"{'?':>8} {unit}" if value is None else f"{value:>8.1f} {unit}"
