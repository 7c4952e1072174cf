"""Files of weights of the neural rerenderer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from bench.errors import DataError
from bench.methods.neural_rerenderer.checkpoints import load_weights, save_weights
from bench.methods.neural_rerenderer.configuration import Configuration
from bench.methods.neural_rerenderer.trainer import Networks

TINY = Configuration(
    "tiny", 4, widths=(2,) * 7, encoder_widths=(2,) * 4, discriminator_widths=(2,) * 4
)


@pytest.fixture
def networks() -> Networks:
    torch.manual_seed(0)
    return Networks(TINY)


@pytest.fixture
def saved(tmp_path: Path, networks: Networks) -> Path:
    path = tmp_path / "weights.safetensors"
    parts = {name: part for name, part in networks.named_children() if name != "discriminators"}
    save_weights(path, parts, TINY, {"trained_on": ["a"]}, half=False)
    return path


def test_what_is_saved_is_loaded(saved: Path, networks: Networks) -> None:
    loaded = load_weights(saved)
    assert loaded.configuration == TINY and loaded.metadata == {"trained_on": ["a"]}
    assert loaded.discriminators is None and not loaded.generator.training
    for name in ("generator", "encoder"):
        wanted = getattr(networks, name).state_dict()
        found = getattr(loaded, name).state_dict()
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_half_precision_and_the_discriminators_can_be_stored(
    tmp_path: Path, networks: Networks
) -> None:
    path = tmp_path / "all.safetensors"
    save_weights(path, dict(networks.named_children()), TINY, {})
    found = load_weights(path).discriminators
    assert found is not None
    for key, value in networks.discriminators.state_dict().items():
        assert torch.equal(found.state_dict()[key], value.half().float())


def test_the_same_weights_make_the_same_file(tmp_path: Path, networks: Networks) -> None:
    for name in "ab":
        save_weights(tmp_path / name, dict(networks.named_children()), TINY, {"x": 1, "a": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path, networks: Networks) -> None:
    networks.generator.last.bias.data[0] = 1e6  # beyond float16
    with pytest.raises(DataError, match=r"generator\.last\.bias holds values that are not finite"):
        save_weights(tmp_path / "weights", dict(networks.named_children()), TINY, {})
    assert not list(tmp_path.iterdir())


def _without(name: str) -> Callable[[Any, Any], None]:
    return lambda tensors, header: tensors.pop(name)


def _misshapen(tensors: Any, header: Any) -> None:
    tensors["encoder.mean.bias"] = torch.zeros(9)


def _infinite(tensors: Any, header: Any) -> None:
    tensors["encoder.mean.bias"][0] = torch.inf


def _surplus(tensors: Any, header: Any) -> None:
    tensors["encoder.more"] = torch.zeros(1)


def _foreign(tensors: Any, header: Any) -> None:
    tensors["netR.weight"] = torch.zeros(1)


def _whole_numbers(tensors: Any, header: Any) -> None:
    tensors["encoder.mean.bias"] = torch.zeros(8, dtype=torch.int32)


def _unlisted(tensors: Any, header: Any) -> None:
    header["trained_on"] = json.dumps([["aligned:train:0"]])


def _huge(tensors: Any, header: Any) -> None:
    header["configuration"] = json.dumps(TINY.as_json() | {"widths": [10**6] * 7})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without("encoder.mean.bias"), r"1 tensors of the encoder are missing .*: mean\.bias"),
        (_misshapen, r"encoder\.mean\.bias has shape \(9,\), must be \(8,\)"),
        (_infinite, r"encoder\.mean\.bias holds values that are not finite"),
        (_surplus, "1 tensors of the encoder are unknown .*: more"),
        (_foreign, "holds encoder, generator, netR, not a generator and an encoder"),
        (_whole_numbers, r"encoder\.mean\.bias is no tensor of floating-point numbers"),
        (_huge, "its configuration is not of neural-rerenderer: widths"),
        (lambda tensors, header: header.clear(), "its header has no configuration"),
        (_unlisted, "trained_on in its header is no list of texts"),
    ],
    ids=["missing", "shape", "infinite", "surplus", "foreign", "integers", "huge", "bare", "seen"],
)
def test_a_strangers_file_is_checked(
    saved: Path, damage: Callable[[Any, Any], None], message: str
) -> None:
    tensors = safetensors.torch.load_file(saved)
    with safetensors.safe_open(saved, framework="pt") as file:
        header = dict(file.metadata())
    damage(tensors, header)
    safetensors.torch.save_file(tensors, saved, header)
    with pytest.raises(DataError, match=message):
        load_weights(saved)


@pytest.mark.parametrize("content", [b"", b"<html>nothing here</html>", None])
def test_what_is_no_safetensors_is_refused(saved: Path, content: bytes | None) -> None:
    saved.write_bytes(saved.read_bytes()[:-100] if content is None else content)
    with pytest.raises(DataError, match=r"weights\.safetensors"):
        load_weights(saved)
    saved.unlink()
    with pytest.raises(DataError, match="no such file"):
        load_weights(saved)
