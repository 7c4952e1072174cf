"""Weights from files: the published format, our own, and what a stranger might send instead."""

import json
import os
import pickle
import random
import re
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from bench.errors import BenchError, ConfigError, DataError
from bench.methods.vase_derenderer.checkpoints import load, save_safetensors
from bench.methods.vase_derenderer.configuration import (
    MINI,
    OFFICIAL_MET,
    OFFICIAL_SYNTHETIC,
    Configuration,
)
from bench.methods.vase_derenderer.networks import Networks

SMALL = {"size": 32, "width": 4, "patch": 16}
MET = replace(OFFICIAL_MET, name="small-met", **SMALL)
SYNTHETIC = replace(OFFICIAL_SYNTHETIC, name="small-synthetic", **SMALL)
PARTS = ("netR", "netT", "netE", "netD")


class MetricsTrace:
    """As in the official sources: its pickle names a module that is not here."""

    def __init__(self) -> None:
        self.data = {"train": [{"loss": 0.5, "speed": 12.0}], "val": []}


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> MetricsTrace:
    module = types.ModuleType("derender.meters")
    module.MetricsTrace = MetricsTrace  # type: ignore[attr-defined]
    monkeypatch.setattr(MetricsTrace, "__module__", "derender.meters")
    monkeypatch.setitem(sys.modules, "derender", types.ModuleType("derender"))
    monkeypatch.setitem(sys.modules, "derender.meters", module)
    return MetricsTrace()


@pytest.fixture
def networks() -> Networks:
    torch.manual_seed(0)
    return Networks(MET)


def content(networks: Networks, **others: Any) -> dict[str, Any]:
    """The dict that the official trainer saves, with optimisers that have made a step."""
    saved: dict[str, Any] = {}
    for part in PARTS:
        network = getattr(networks, part)
        saved[part] = OrderedDict(
            (f"module.{key}", value) for key, value in network.state_dict().items()
        )
        saved[f"optimizer{part[-1]}"] = stepped(network).state_dict()
    return {**saved, "epoch": 500, **others}


def stepped(network: torch.nn.Module) -> torch.optim.Adam:
    copies = [torch.nn.Parameter(value.detach().clone()) for value in network.parameters()]
    optimiser = torch.optim.Adam(copies, 2e-4)
    sum(value.square().sum() for value in copies).backward()  # type: ignore[union-attr]
    optimiser.step()
    return optimiser


def written(path: Path, saved: Any, modern: bool = False) -> Path:
    torch.save(saved, path, _use_new_zipfile_serialization=modern)
    return path


def learn_pose(networks: Networks) -> None:
    head = networks.netR.out_net2[2]
    assert isinstance(head, torch.nn.Linear)
    with torch.no_grad():
        head.weight[3, 0] = 1.01 * head.in_features**-0.5


def assert_same(found: Networks, expected: Networks, parts: tuple[str, ...] = PARTS) -> None:
    theirs = expected.state_dict()
    ours = {k: v for k, v in found.state_dict().items() if k.startswith(parts)}
    assert list(ours) == [key for key in theirs if key.startswith(parts)]
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]) and value.dtype == torch.float32


@pytest.mark.parametrize("modern", [False, True], ids=["legacy", "zip"])
def test_a_published_checkpoint_loads(
    tmp_path: Path, networks: Networks, history: MetricsTrace, modern: bool
) -> None:
    learn_pose(networks)
    saved = content(networks, metrics_trace=history)
    path = written(tmp_path / "checkpoint500.pth", saved, modern)
    del sys.modules["derender.meters"], sys.modules["derender"]
    configuration, found, metadata = load(path, MET)
    assert_same(found, networks)
    assert configuration == found.configuration == MET and metadata == {"epoch": 500}
    assert not found.training and all(value.requires_grad for value in found.parameters())


def test_networks_alone_without_prefix_or_discriminator_load(
    tmp_path: Path, networks: Networks
) -> None:
    saved = {part: getattr(networks, part).state_dict() for part in PARTS[:3]}
    found = load(written(tmp_path / "clean.pth", saved), MET)
    assert_same(found.networks, networks, PARTS[:3])
    assert found.metadata == {"epoch": None}
    assert found.networks.netD(torch.rand(2, 3, 16, 16)).isfinite().all()


def test_a_loaded_network_computes_what_the_saved_one_did(
    tmp_path: Path, networks: Networks
) -> None:
    image = torch.rand(2, 3, 32, 32)
    found = load(written(tmp_path / "a.pth", content(networks)), MET).networks
    for ours, theirs in zip(found.netR(image), networks.netR(image), strict=True):
        assert torch.equal(ours, theirs)


def hollow(head: float) -> dict[str, Any]:
    """Of the official shapes, but small on disk: one stored number per tensor, but for a head."""
    with torch.device("meta"):
        shapes = Networks(OFFICIAL_MET)
    saved = {
        part: {
            k: torch.zeros(1).expand(v.shape) for k, v in getattr(shapes, part).state_dict().items()
        }
        for part in PARTS
    }
    saved["netR"]["out_net2.2.weight"] = torch.full((5, 128), head)
    return saved


@pytest.mark.parametrize(
    ("head", "epoch", "expected"),
    [
        (0.09, 500, OFFICIAL_MET),
        (0.09, 150, OFFICIAL_MET),
        (0.088, 500, OFFICIAL_MET),
        (0.088, 200, OFFICIAL_SYNTHETIC),
    ],
)
def test_a_published_file_tells_which_of_the_two_it_is(
    tmp_path: Path, head: float, epoch: int, expected: Configuration
) -> None:
    path = written(tmp_path / "published.pth", {**hollow(head), "epoch": epoch})
    assert load(path).configuration is expected


@pytest.mark.parametrize("epoch", [{}, {"epoch": 150}, {"epoch": "500"}], ids=str)
def test_a_file_that_could_be_either_needs_a_configuration(
    tmp_path: Path, epoch: dict[str, Any]
) -> None:
    path = written(tmp_path / "published.pth", {**hollow(0.088), **epoch})
    with pytest.raises(ConfigError, match="Met or the synthetic"):
        load(path)


@pytest.mark.parametrize("configuration", [MET, SYNTHETIC], ids=lambda value: value.name)
def test_a_file_that_could_be_either_is_what_it_is_said_to_be(
    tmp_path: Path, networks: Networks, configuration: Configuration
) -> None:
    path = written(tmp_path / "mine.pth", content(networks, epoch=150))
    assert load(path, configuration).networks.configuration is configuration


def test_met_weights_in_the_place_of_synthetic_ones_are_told(
    tmp_path: Path, networks: Networks
) -> None:
    learn_pose(networks)
    path = written(tmp_path / "checkpoint200.pth", content(networks))
    with pytest.raises(DataError, match=r"looks like official-met .* fetched each other's file"):
        load(path, SYNTHETIC)


def test_synthetic_weights_in_the_place_of_met_ones_are_told(
    tmp_path: Path, networks: Networks
) -> None:
    path = written(tmp_path / "checkpoint500.pth", content(networks, epoch=200))
    with pytest.raises(DataError, match=r"looks like official-synthetic \(epoch 200"):
        load(path, MET)
    assert load(path, SYNTHETIC).configuration == SYNTHETIC


class Calls:
    """A pickle that calls `function` when it is loaded."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("modern", [False, True], ids=["legacy", "zip"])
def test_a_malicious_pickle_is_refused_and_not_run(
    tmp_path: Path, networks: Networks, modern: bool
) -> None:
    victim = tmp_path / "victim"
    saved = content(networks, metrics_trace=Calls(os.system, f"touch {victim}"))
    path = written(tmp_path / "checkpoint500.pth", saved, modern)
    with pytest.raises(DataError, match=r"nothing in it was run.*(posix|nt)\.system"):
        load(path, MET)
    assert not victim.exists()
    torch.load(path, weights_only=False)
    assert victim.exists(), "the attack itself must work for this test to mean something"


def test_a_bare_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "checkpoint500.pth"
    path.write_bytes(pickle.dumps(Calls(os.system, f"touch {victim}"), protocol=2))
    with pytest.raises(DataError, match=r"checkpoint500\.pth"):
        load(path, MET)
    assert not victim.exists()


@pytest.mark.parametrize("modern", [False, True], ids=["legacy", "zip"])
def test_memory_is_not_reserved_at_a_files_will(
    tmp_path: Path, networks: Networks, modern: bool
) -> None:
    saved = content(networks, metrics_trace=Calls(bytearray, 10**14))
    with pytest.raises(DataError, match=r"asks for (builtins|__builtin__)\.bytearray"):
        load(written(tmp_path / "bomb.pth", saved, modern), MET)


def test_an_archive_behind_an_old_file_does_not_distract(
    tmp_path: Path, networks: Networks
) -> None:
    bomb = written(tmp_path / "bomb.pth", content(networks, metrics_trace=Calls(bytearray, 10**14)))
    harmless = written(tmp_path / "harmless.pth", content(networks), modern=True)
    bomb.write_bytes(bomb.read_bytes() + harmless.read_bytes())
    with pytest.raises(DataError, match="bytearray"):
        load(bomb, MET)


def test_all_further_names_are_listed_with_what_to_do(tmp_path: Path, networks: Networks) -> None:
    from decimal import Decimal
    from fractions import Fraction

    saved = content(networks, metrics_trace=[Decimal(1), Fraction(1, 2)])
    with pytest.raises(DataError, match=r"decimal\.Decimal, fractions\.Fraction.*torch\.save"):
        load(written(tmp_path / "odd.pth", saved), MET)


def test_compressed_archives_are_refused(tmp_path: Path, networks: Networks) -> None:
    plain, packed = written(tmp_path / "a.pth", content(networks), True), tmp_path / "b.pth"
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
    with pytest.raises(DataError, match="compressed"):
        load(packed, MET)


def without(saved: dict[str, Any], part: str, key: str) -> None:
    del saved[part][key]


def replaced(value: Tensor) -> Callable[[dict[str, Any], str, str], None]:
    def change(saved: dict[str, Any], part: str, key: str) -> None:
        saved[part][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without, "missing.*netT.model.model.0.weight"),
        (replaced(torch.zeros(4, 3, 4, 5)), r"netT.model.model.0.weight has shape \(4, 3, 4, 5\)"),
        (replaced(torch.full((4, 3, 4, 4), torch.nan)), "netT.model.model.0.weight.*not finite"),
        (replaced(torch.zeros(4, 3, 4, 4).long()), "netT.model.model.0.weight.*floating-point"),
        (replaced(torch.zeros(1).expand(10**6, 10**6)), "has shape"),
    ],
    ids=["missing", "misshapen", "nan", "integers", "huge"],
)
def test_a_wrong_tensor_is_named(
    tmp_path: Path, networks: Networks, change: Callable[..., None], message: str
) -> None:
    saved = content(networks)
    change(saved, "netT", "module.model.model.0.weight")
    with pytest.raises(DataError, match=message):
        load(written(tmp_path / "a.pth", saved), MET)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ([1, 2], "holds a list"),
        ({"state_dict": {}}, "no checkpoint of the vase de-renderer"),
        ({"netR": {}}, "missing"),
        ({"netR": [1]}, "netR is no state dict"),
        ({"netR": {1: torch.zeros(1)}}, "netR is no state dict"),
    ],
    ids=str,
)
def test_another_networks_checkpoint_is_told(tmp_path: Path, saved: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(written(tmp_path / "a.pth", saved), MET)


def test_a_checkpoint_of_other_width_is_told(tmp_path: Path, networks: Networks) -> None:
    path = written(tmp_path / "a.pth", content(networks))
    with pytest.raises(DataError, match=r"netR\.encoder\.0\.weight has shape \(4, 3, 4, 4\)"):
        load(path, replace(MET, width=8))


@pytest.mark.parametrize(
    "start",
    [b"", b"<!DOCTYPE html>", b"\x89PNG\r\n\x1a\n00000000", b"netR: 1\nnetT: 2\n"],
    ids=repr,
)
def test_another_kind_of_file_is_told(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "checkpoint500.pth"
    path.write_bytes(start)
    expected = "web page" if start.startswith(b"<") else "neither a .pth"
    with pytest.raises(DataError, match=expected):
        load(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "nothing.pth")


def stored_as(kind: str, path: Path, networks: Networks) -> Path:
    if kind == "safetensors":
        save_safetensors(path, networks, {})
        return path
    return written(path, content(networks), modern=kind == "zip")


@pytest.mark.parametrize("kind", ["legacy", "zip", "safetensors"])
def test_a_truncated_file_is_told(tmp_path: Path, networks: Networks, kind: str) -> None:
    path = stored_as(kind, tmp_path / "whole", networks)
    whole, cut = path.read_bytes(), tmp_path / "cut"
    for length in [1, 9, 40, 1000, *range(2000, len(whole), len(whole) // 12), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(DataError, match=re.escape(str(cut))):
            load(cut, MET)


@pytest.mark.parametrize("kind", ["legacy", "zip", "safetensors"])
def test_damage_never_surfaces_as_another_error(
    tmp_path: Path, networks: Networks, kind: str
) -> None:
    path = stored_as(kind, tmp_path / "whole", networks)
    whole, dice = path.read_bytes(), random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(dice.choice((1, 1, 8))):
            damaged[dice.randrange(dice.choice((2000, len(whole))))] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            load(path, MET)
        except BenchError as error:
            assert str(path) in str(error)


RECORD = {"record": {"steps": 40, "losses": [1.5, 0.25]}, "trained_on": ["sha256:ü"]}


def test_our_own_file_gives_back_what_was_saved(tmp_path: Path, networks: Networks) -> None:
    path = tmp_path / "new" / "vase.safetensors"
    save_safetensors(path, networks, RECORD, half=False)
    configuration, found, metadata = load(path)
    assert configuration == found.configuration == MET
    assert metadata == RECORD
    assert_same(found, networks, PARTS[:3])
    assert not list(path.parent.glob(".*"))


def test_half_precision_is_half_the_size_and_loads_as_float32(
    tmp_path: Path, networks: Networks
) -> None:
    paths = tmp_path / "half", tmp_path / "full"
    for path, half in zip(paths, (True, False), strict=True):
        save_safetensors(path, networks, {}, half=half)
    half_size, full_size = (path.stat().st_size for path in paths)
    assert half_size < 0.55 * full_size
    expected = networks.state_dict()
    for name, value in load(paths[0]).networks.state_dict().items():
        assert value.dtype == torch.float32
        if not name.startswith("netD"):
            torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-6)


def test_the_same_weights_make_the_same_file(tmp_path: Path, networks: Networks) -> None:
    files = [tmp_path / str(k) for k in range(4)]
    for path in files:
        save_safetensors(path, networks, {**RECORD, "a": 1, "b": 2, "c": 3})
    assert len({path.read_bytes() for path in files}) == 1


def test_the_header_is_text_that_others_can_read(tmp_path: Path, networks: Networks) -> None:
    path = tmp_path / "vase.safetensors"
    save_safetensors(path, networks, RECORD)
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    assert json.loads(header["trained_on"]) == RECORD["trained_on"]
    assert json.loads(header["configuration"])["width"] == 4


@pytest.mark.parametrize("half", [True, False])
def test_weights_that_are_no_numbers_are_not_saved(
    tmp_path: Path, networks: Networks, half: bool
) -> None:
    path = tmp_path / "vase.safetensors"
    save_safetensors(path, networks, {"good": True})
    with torch.no_grad():
        networks.netT.get_parameter("model.model.4.bias")[1] = 1e6 if half else torch.inf
    with pytest.raises(DataError, match=r"netT\.model\.model\.4\.bias.*not finite"):
        save_safetensors(path, networks, {"good": False}, half=half)
    assert load(path).metadata == {"good": True}


def test_our_own_file_of_another_configuration_is_told(tmp_path: Path, networks: Networks) -> None:
    path = tmp_path / "vase.safetensors"
    save_safetensors(path, networks, {})
    assert load(path, replace(MET, name="renamed")).configuration == MET
    with pytest.raises(DataError, match=r"differ in .*radius.*width"):
        load(path, MINI)


def stored(path: Path, configuration: Any, text: str | None = None) -> Path:
    header = {"configuration": text if text is not None else json.dumps(configuration)}
    safetensors.torch.save_file({"netR.a": torch.zeros(2)}, path, header)
    return path


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (None, "no configuration"),
        ([1], "no configuration"),
        ({}, "missing or unknown"),
        ({**MET.as_json(), "width": 10**6}, "width = 1000000"),
        ({**MET.as_json(), "size": 2**20}, "size = 1048576"),
        ({**MET.as_json(), "radius": [[0], 1]}, "radius"),
        (MET.as_json(), "missing.*netE.decoder_envmap"),
    ],
    ids=["null", "list", "empty", "wide", "large", "nested", "tensors"],
)
def test_a_strangers_header_is_data(tmp_path: Path, configuration: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(stored(tmp_path / "odd.safetensors", configuration))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "NaN"], ids=["cut", "deep", "nan"])
def test_a_strangers_json_is_data(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"odd\.safetensors"):
        load(stored(tmp_path / "odd.safetensors", None, text))


def test_a_header_longer_than_its_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes((2**60).to_bytes(8, "little") + b"{}      ")
    with pytest.raises(DataError, match="truncated or corrupt"):
        load(path)
