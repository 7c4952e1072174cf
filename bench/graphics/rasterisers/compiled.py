"""The loops of `kernel` for tensors on the CPU, an image per thread."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor


def draw(
    points: Tensor, faces: Tensor, shape: tuple[int, int], cull: bool, near: float, far: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Face B×H'×W' int64, weights B×H'×W'×3 and depth B×H'×W' float32, as in `Fragments`.

    points B×V×3 float64 as of `projection.project`, faces F×3 int64, shape (H', W').
    """
    from bench.graphics.rasterisers import kernel  # numba takes half a second to import

    face = torch.full((len(points), *shape), -1)
    weights, depth = torch.zeros(len(points), *shape, 3), torch.zeros(len(points), *shape)
    given, triangles = points.contiguous().numpy(), faces.contiguous().numpy()
    filled = face.numpy(), weights.numpy(), depth.numpy()

    def image(index: int) -> None:
        kernel.draw(given[index], triangles, cull, near, far, *(array[index] for array in filled))

    _each(image, len(points))
    return face, weights, depth


def blend(face: Tensor, weights: Tensor, corners: Tensor) -> Tensor:
    """Corners F×3×C or B×F×3×C float32 blended → B×H'×W'×C; without gradients."""
    from bench.graphics.rasterisers import kernel

    result = torch.zeros(*face.shape, corners.shape[-1])  # B×H'×W'×C
    given = corners.detach().expand(len(face), *corners.shape[-3:]).numpy()  # B×F×3×C
    faces, shares, filled = face.numpy(), weights.detach().numpy(), result.numpy()

    def image(index: int) -> None:
        kernel.blend(faces[index], shares[index], given[index], filled[index])

    _each(image, len(face))
    return result


def _each(image: Callable[[int], None], count: int) -> None:
    """Calls `image` for 0 to count − 1 on torch's number of threads; raises what they raise."""
    if count == 1 or torch.get_num_threads() == 1:
        for index in range(count):
            image(index)
        return
    with ThreadPoolExecutor(max_workers=torch.get_num_threads()) as pool:
        list(pool.map(image, range(count)))
