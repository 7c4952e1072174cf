"""`bench score FOLDER`: anybody's predictions, on the same terms as a method's."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.errors import ConfigError


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dataset", required=True, metavar="NAME/SPLIT", help="What was predicted.")
@click.option("--label", required=True, help="The row's name.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="A dataset option.")
@click.option("--protocol", "protocols", multiple=True, default=("neutral",), show_default=True)
@click.option(
    "--config",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A benchmark file whose own protocols --protocol may name.",
)
@click.option("--allowed", "classes", multiple=True, metavar="KEY=WORD", help="Input class.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
@click.option("--out", type=click.Path(path_type=Path), help="Default: runs/LABEL.")
def score(
    folder: Path,
    dataset: str,
    label: str,
    options: tuple[str, ...],
    protocols: tuple[str, ...],
    file: Path | None,
    classes: tuple[str, ...],
    as_json: bool,
    out: Path | None,
) -> int:
    """Score the predictions in FOLDER and write the reports.

    FOLDER holds <scene>/<id>/<quantity>.<ext>, and <scene>/<id>/<relit|view>/<query>.<ext>. Files:
    .npy and .exr linear; .png sRGB for colour and (n+1)/2 for normals, refused for depth; .obj and
    .ply; .json cameras. A sample without a folder is a failure, as it is for a method.

    What the method was allowed is not in the files: state it with --allowed, for example
    --allowed views=few --allowed geometry=given; what is not stated reads "unstated".
    """
    from bench.cli.progress import progress_bar
    from bench.config import read
    from bench.foreign import score_folder
    from bench.plugins import registry
    from bench.reporting import summarise, write_reports
    from bench.store import Store, slug

    name, _, split = dataset.partition("/")
    if not name or not split:
        raise ConfigError(f"--dataset: {dataset!r} is not NAME/SPLIT, for example vases/mini")
    with progress_bar() as progress:
        run = score_folder(
            folder=folder,
            dataset=name,
            split=split,
            label=label,
            dataset_options=_pairs(options, "--option"),
            protocols=protocols,
            allowed=_pairs(classes, "--allowed"),
            store=Store(out or Path("runs") / slug(label)),
            progress=progress,
            own=read(file) if file else None,
        )
    write_reports(run, run.path / "report", registry())
    summary = summarise(run)
    click.echo(json.dumps(summary.as_dict(), indent=1) if as_json else summary.as_text())
    return 1 if summary.failed else 0


def _pairs(given: tuple[str, ...], flag: str) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in given]
    for key, sign, _ in pairs:
        if not sign:
            raise ConfigError(f"{flag}: {key!r} is not KEY=VALUE")
    return {key: value for key, _, value in pairs}
