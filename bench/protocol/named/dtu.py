"""`dtu`: Chamfer distances in millimetres (specs/metrics.md §4.2)."""

from bench.protocol import Comparison, Protocol, Rule

DTU = Protocol(
    name="dtu",
    version=1,
    title="distances between meshes in millimetres, as DTU's evaluation has them",
    source="github.com/jzhangbs/DTUeval-python; specs/metrics.md §4.2",
    rules=(Rule("mesh.*_dtu", Comparison(mask="full")),),
    notes=(
        "Distances of 20 mm or more are left out.",
        "DTU's bounding box, ObsMask and Plane are not applied: predictions must be cut before.",
    ),
)
