import numpy as np

from bench.graphics.depth_codes import DepthCode
from bench.graphics.framebuffers import CHANNELS, framebuffer
from bench.graphics.point_clouds import PointCloud
from bench.graphics.splatting import splat
from bench.quantities import Camera

CAMERA = Camera(np.array([[4.0, 0, 2], [0, 4, 2], [0, 0, 1]]), np.eye(4), 4, 5)


def test_a_framebuffer_holds_linear_colour_and_coded_depth_and_zeros_where_empty() -> None:
    colours = np.array([[0.2, 2.5, 0.0], [0, 0, 0]], np.float32)
    cloud = PointCloud(np.array([[0, 0, 2.0], [-0.5, -0.5, 4]]), colours)
    found = framebuffer(splat(cloud, CAMERA, 0), DepthCode(2, 4))
    assert found.shape == (4, 5, CHANNELS) and found.dtype == np.float32
    np.testing.assert_array_equal(found[2, 2], [*colours[0], 1])
    # black, at the far end: covered all the same
    np.testing.assert_array_equal(found[1, 1], np.float32([0, 0, 0, 1 / 255]))
    assert np.count_nonzero(found[..., 3]) == 2
    assert not found[found[..., 3] == 0].any()


def test_a_view_that_sees_nothing_is_zero_everywhere() -> None:
    cloud = PointCloud(np.array([[0, 0, -1.0]]), np.ones((1, 3), np.float32))
    assert not framebuffer(splat(cloud, CAMERA), DepthCode(1, 2)).any()
