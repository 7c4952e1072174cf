"""Semantic colours of photos, by a segmentation model that knows the classes of ADE20K.

The model comes from the Hugging Face cache by its name, through `transformers`; only safetensors
are read, nothing is downloaded. Source of classes and colours: specs/neural_rerendering.md §2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.errors import ConfigError, UnavailableError
from bench.graphics.colour import srgb_encode
from bench.graphics.semantic_colours import semantic_colours

Float32 = NDArray[np.float32]
Segmenter: TypeAlias = Callable[[Float32], NDArray[np.uint8]]
"""A photo H×W×3, linear RGB → its semantic colours H×W×3."""

CLASSES = 150
"""Of ADE20K; models number them from 0, the official layout from 1."""

NONE = "none"


def available(name: str) -> Segmenter | None:
    """The model called `name`; None, said in print, where it cannot be had, or for `NONE`.

    Raises:
        ConfigError: the model has other classes than ADE20K.
    """
    if name == NONE:
        return None
    try:
        return load(name)
    except UnavailableError as error:
        print(f"framebuffers will have 4 channels, without semantics: {error}")
        return None


def load(name: str) -> Segmenter:
    """The model called `name`, such as openmmlab/upernet-convnext-tiny, or in a folder.

    Raises:
        UnavailableError: transformers or the model's files are not here; the text holds the
            command that brings them.
        ConfigError: the model has other classes.
    """
    try:
        import transformers  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise UnavailableError("transformers is not installed: pip install transformers") from error
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, local_files_only=True)
        model = transformers.AutoModelForSemanticSegmentation.from_pretrained(
            name, local_files_only=True, use_safetensors=True
        )
    except OSError as error:
        raise UnavailableError(f"{name} is not in the cache: hf download {name}") from error
    if model.config.num_labels != CLASSES:
        raise ConfigError(
            f"--semantics {name}: has {model.config.num_labels} classes; ADE20K has {CLASSES}"
        )
    model.eval()
    return lambda photo: semantic_colours(_classes(processor, model, photo))


def _classes(processor: Any, model: Any, photo: Float32) -> NDArray[np.int64]:
    """H×W, 1 to 150."""
    import torch

    encoded = np.rint(srgb_encode(np.clip(photo, 0, 1)) * 255).astype(np.uint8)  # H×W×3
    with torch.inference_mode():
        found = model(**processor(images=encoded, return_tensors="pt"))
    size = encoded.shape[:2]
    (labels,) = processor.post_process_semantic_segmentation(found, target_sizes=[size])  # H×W
    classes: NDArray[np.int64] = labels.numpy().astype(np.int64) + 1
    return classes
