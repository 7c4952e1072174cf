"""The two networks at work: appearance codes of photos, and photos of framebuffers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor

from bench.errors import DataError, UnavailableError

from .checkpoints import Loaded, load_weights
from .encoding import (
    EMPTY,
    LABELLED,
    Float32,
    Floating,
    cropped_to,
    framebuffer_tensor,
    linear_image,
    padded,
    photo_tensor,
)
from .networks import SMALLEST_APPEARANCE

EMBEDDED = Path(__file__).parent / "weights" / "mini.safetensors"

_PIXELS = 8 * 256 * 256
"""Most pixels of one pass of the generator: its activations take 1 KiB each and more."""


class Rerenderer:
    """Loaded networks on their device; arrays in and out are the contract's linear images."""

    def __init__(self, loaded: Loaded, device: str) -> None:
        self.channels = loaded.configuration.channels
        self._generator = loaded.generator.to(device).to(memory_format=torch.channels_last)
        self._encoder = loaded.encoder.to(device).to(memory_format=torch.channels_last)
        self._device = device

    @classmethod
    def from_file(cls, checkpoint: Path | None, device: str) -> Rerenderer:
        """The networks of a .safetensors file, by default the embedded ones.

        Raises:
            DataError: the file cannot be read.
            UnavailableError: no weights came with this installation.
        """
        if checkpoint is None and not EMBEDDED.is_file():
            raise UnavailableError(
                f"{EMBEDDED}: no weights came with this installation; name a file with the option "
                "checkpoint, or make one with `bench train neural-rerenderer`"
            )
        return cls(load_weights(checkpoint or EMBEDDED), device)

    def condition(self, framebuffer: Floating) -> Tensor:
        """A framebuffer H×W×C as what the networks see, C'×H×W; labels nobody asks for are left.

        Raises:
            DataError: it is none, or lacks the labels that the weights were trained with.
        """
        if framebuffer.shape[-1] < self.channels == LABELLED:
            raise DataError(
                "the framebuffer has no semantic colours, which these weights were trained with; "
                "segment the photos (`bench prepare aligned`), or take weights trained without, as "
                "camera paths need, which have no photos"
            )
        return framebuffer_tensor(framebuffer)[: self.channels]

    def appearance(
        self, photo: Floating, framebuffer: Floating, mask: Floating | None = None
    ) -> Tensor:
        """What the encoder sees of a photo h×w×3 and its framebuffer h×w×C: (3+C')×h'×w'.

        Args:
            mask: h×w×1, the part of the photo that is given: both are cut to its bounding box.

        Raises:
            DataError: sizes that differ, or an empty mask.
        """
        for name, part in (("framebuffer", framebuffer), ("mask", mask)):
            if part is not None and part.shape[:2] != photo.shape[:2]:
                raise DataError(
                    f"the reference photo is {_size(photo)} and its {name} {_size(part)}: "
                    "they must show the same pixels"
                )
        box = (slice(None), slice(None)) if mask is None else cropped_to(mask)
        parts = [photo_tensor(photo[box]), self.condition(framebuffer[box])]
        whole = torch.cat(parts)  # (3+C')×h'×w'
        height, width = whole.shape[-2:]
        margins = (0, max(0, SMALLEST_APPEARANCE - width), 0, max(0, SMALLEST_APPEARANCE - height))
        return functional.pad(whole, margins, value=EMPTY)

    @torch.inference_mode()
    def codes(self, appearances: Sequence[Tensor]) -> Tensor:
        """Appearance codes N×8 of photos (3+C')×h×w, each of which goes in by itself.

        Rounding depends on a batch's size, and the same photo shall always have the same code.
        """
        return torch.cat([self._encoder(self._placed(each[None])) for each in appearances])

    @torch.inference_mode()
    def render(self, conditions: Sequence[Tensor], codes: Tensor) -> list[Float32]:
        """Photos H×W×3, linear, of conditions C'×H×W under codes N×8.

        Those of one size go in together.
        """
        found: dict[int, Float32] = {}
        for members in _batches([each.shape for each in conditions]):
            stacked = torch.stack([conditions[index] for index in members])  # B×C'×H×W
            pictures = self._generator(self._placed(padded(stacked)), codes[members])
            height, width = stacked.shape[-2:]
            cut = pictures[..., :height, :width]  # B×3×H×W
            found |= {index: linear_image(each) for index, each in zip(members, cut, strict=True)}
        return [found[index] for index in range(len(conditions))]

    def _placed(self, images: Tensor) -> Tensor:
        # On the CPU the convolutions of this layout take a quarter less time.
        return images.to(self._device, memory_format=torch.channels_last)


def _batches(shapes: Sequence[torch.Size]) -> list[list[int]]:
    """Indices of equal shapes C×H×W together, as many as one pass may hold."""
    groups: dict[torch.Size, list[int]] = defaultdict(list)
    for index, shape in enumerate(shapes):
        groups[shape].append(index)
    batches = []
    for shape, members in groups.items():
        most = max(1, _PIXELS // (shape[1] * shape[2]))
        batches += [members[first : first + most] for first in range(0, len(members), most)]
    return batches


def _size(image: Floating) -> str:
    return "×".join(str(size) for size in image.shape[:2])
