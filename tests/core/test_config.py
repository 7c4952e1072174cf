"""bench.toml is strict: every mistake is named by file, key and the nearest valid one."""

import re
from pathlib import Path
from typing import Any

import pytest

from bench.api import Option
from bench.config import from_text, parse, parse_bytes, read, resolve_options
from bench.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
FILE = Path("/somewhere/bench.toml")


def refused(raw: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(raw, FILE)
    assert str(caught.value).startswith(f"{FILE}: ")
    return str(caught.value)


def test_the_default_benchmark_is_read() -> None:
    benchmark = read(ROOT / "bench.toml")
    assert benchmark.run.name == "mini"
    assert benchmark.folder == ROOT
    assert {dataset.name for dataset in benchmark.datasets} == {"vases"}


def test_an_empty_file_has_every_default() -> None:
    benchmark = parse({}, FILE)
    assert (benchmark.run.seed, benchmark.run.device, benchmark.run.jobs) == (0, "auto", 1)
    assert benchmark.run.protocols == ("neutral",)
    assert benchmark.methods == benchmark.datasets == ()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"runs": {}}, "unknown key 'runs'; did you mean 'run'?"),
        ({"run": {"sed": 1}}, "run: unknown key 'sed'; did you mean 'seed'?"),
        ({"methods": [{"name": "a", "timeot": 1}]}, "methods[0]: unknown key 'timeot'; did you"),
        ({"datasets": [{"name": "a"}]}, "datasets[0]: key 'split' is missing"),
        ({"methods": [{}]}, "methods[0]: key 'name' is missing"),
        ({"run": []}, "run must be written as [run] tables"),
        ({"methods": {"name": "a"}}, "methods must be written as [[methods]] tables"),
        ({"methods": ["flat"]}, "methods[0]: must be a table"),
        ({"run": {"seed": "0"}}, "run.seed: must be int, not str '0'"),
        ({"run": {"seed": True}}, "run.seed: must be int, not bool True"),
        ({"run": {"jobs": 1.0}}, "run.jobs: must be int, not float 1.0"),
        ({"run": {"protocols": "neutral"}}, "run.protocols: must be a list of strings"),
        ({"methods": [{"name": "a", "options": []}]}, "methods[0].options: must be a table"),
        ({"methods": [{"name": "a", "timeout": "1"}]}, "methods[0].timeout: must be float"),
        ({"methods": [{"name": "a", "timeout": 0}]}, "methods[0]: timeouts must be positive"),
        ({"methods": [{"name": "a", "timeout": float("nan")}]}, "timeouts must be positive"),
        ({"methods": [{"name": "a", "memory": "8 gigs"}]}, "methods[0].memory: '8 gigs' is no"),
        ({"methods": [{"name": "a"}, {"name": "a"}]}, "'a' appears twice; give each its own label"),
        ({"run": {"jobs": 0}}, "run.jobs and run.threads must be at least 1"),
        ({"protocols": []}, "protocols must be written as [protocols.NAME] tables"),
        ({"protocols": {"mine": 3}}, "protocols.mine: must be a table"),
        ({"protocols": {"mine": {}}}, "protocols.mine: key 'base' is missing"),
        (
            {"protocols": {"mine": {"bas": "mit"}}},
            "protocols.mine: unknown key 'bas'; did you mean",
        ),
        ({"protocols": {"mine": {"base": 1}}}, "protocols.mine.base: must be str, not int 1"),
        ({"run": {"device": "gpu"}}, "run.device: 'gpu' is none of auto, cpu, cuda, cuda:N"),
        ({"run": {"name": "../up"}}, "run.name: '../up' cannot name a folder"),
        ({"run": {"name": ".."}}, "run.name: '..' cannot name a folder"),
    ],
)
def test_a_mistake_is_named(raw: dict[str, Any], expected: str) -> None:
    assert expected in refused(raw)


def test_a_whole_number_may_stand_for_seconds() -> None:
    assert parse({"methods": [{"name": "a", "timeout": 5}]}, FILE).methods[0].timeout == 5.0


@pytest.mark.parametrize(
    "content",
    [b'[run]\nname = "mini', b"[run\n", b"\x00\xff\xfe", b"name = \xe4", b"[run]\n[run]\n"],
    ids=["cut in a string", "cut in a header", "not text", "not UTF-8", "a table twice"],
)
def test_a_corrupt_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bench.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(str(file))):
        read(file)


def test_a_truncated_default_benchmark_never_runs_as_something_else(tmp_path: Path) -> None:
    whole = read(ROOT / "bench.toml")
    text, file = (ROOT / "bench.toml").read_text(), tmp_path / "bench.toml"
    for end in range(0, len(text), 7):
        file.write_text(text[:end])
        try:
            found = read(file)
        except ConfigError as error:
            assert str(file) in str(error)
        else:
            assert found.methods == whole.methods[: len(found.methods)] or found.methods[-1:]


def test_a_missing_file_is_named_with_the_flag_that_mends_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bench\.toml: no such file; `--config` names another"):
        read(tmp_path / "bench.toml")


def test_a_folder_is_no_benchmark_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "size"), [("8GB", 8e9), ("500MB", 5e8), ("1.5 KB", 1500), ("12B", 12), ("2TB", 2e12)]
)
def test_sizes_are_decimal(text: str, size: float) -> None:
    assert parse_bytes(text, "here") == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "8GiB", "8", "1e3MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"here: .* is no size"):
        parse_bytes(text, "here")


OPTIONS = (
    Option("model", str, "regular", choices=("regular", "inverse")),
    Option("order", int, 2, bounds=(1, 3)),
    Option("weight", float, 0.5, bounds=(0, None)),
    Option("robust", bool, False),
    Option("prior", Path),
)


def test_options_not_given_have_their_defaults() -> None:
    assert resolve_options(OPTIONS, {}, "here", Path("/base")) == {
        "model": "regular",
        "order": 2,
        "weight": 0.5,
        "robust": False,
        "prior": None,
    }


def test_a_relative_path_starts_at_the_benchmark_file() -> None:
    found = resolve_options(OPTIONS, {"prior": "../prior.npy"}, "here", Path("/base/run"))
    assert found["prior"] == "/base/prior.npy"
    assert resolve_options(OPTIONS, {"prior": "/x"}, "here", Path("/base"))["prior"] == "/x"


def test_a_path_may_start_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    found = resolve_options(OPTIONS, {"prior": "~/p"}, "here", Path("/base"))
    assert found["prior"] == "/home/user/p"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"modle": "regular"}, "here: unknown option 'modle'; did you mean 'model'?"),
        ({"model": "regulr"}, "here.model: 'regulr' is none of ['regular', 'inverse']; did you"),
        ({"order": 4}, "here.order: 4 leaves [1, 3]"),
        ({"order": "2"}, "here.order: must be int, not str '2'"),
        ({"weight": -0.1}, "here.weight: -0.1 leaves [0, None]"),
        ({"weight": float("nan")}, "here.weight: nan leaves [0, None]"),
        ({"robust": 1}, "here.robust: must be bool, not int 1"),
        ({"prior": 3}, "here.prior: must be a path, not 3"),
    ],
)
def test_a_wrong_option_is_named(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_options(OPTIONS, given, "here", Path("/base"))
    assert expected in str(caught.value)


def test_a_required_option_says_what_it_is() -> None:
    root = Option("root", Path, required=True, help="where the data lies")
    with pytest.raises(ConfigError, match=r"here\.root: must be given: where the data lies"):
        resolve_options((root,), {}, "here", Path())


def test_options_written_as_text_are_read_as_their_types() -> None:
    given = {"order": "3", "weight": "1.5", "robust": "true", "model": "inverse", "prior": "p"}
    assert from_text(OPTIONS, given, "--option") == {
        "order": 3,
        "weight": 1.5,
        "robust": True,
        "model": "inverse",
        "prior": "p",
    }


@pytest.mark.parametrize("given", [{"order": "x"}, {"weight": "x"}, {"robust": "1"}])
def test_text_of_another_type_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"--option {next(iter(given))}: must be"):
        from_text(OPTIONS, given, "--option")
