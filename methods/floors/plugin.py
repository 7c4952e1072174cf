"""The cards of the floors, shown in every table and never ranked."""

from bench.api import MethodCard, hookimpl


@hookimpl
def bench_methods() -> list[MethodCard]:
    """Offer the four floors."""
    return [
        MethodCard(
            name="flat",
            title="Constant albedo, normals toward the viewer, ambient light",
            implementation="bench.methods.floors.methods:Flat",
            licence="MIT",
            needs=("image", "mask"),
            predicts=("normal", "albedo", "shading", "light_sh", "environment"),
            answers={"relit": ("environment",)},
            batch=16,
            floor=True,
        ),
        MethodCard(
            name="image-as-albedo",
            title="The image is the albedo, the shading is 1",
            implementation="bench.methods.floors.methods:ImageAsAlbedo",
            licence="MIT",
            needs=("image",),
            predicts=("albedo", "shading"),
            batch=16,
            floor=True,
        ),
        MethodCard(
            name="copy-input",
            title="The input, whatever light or camera is asked for",
            implementation="bench.methods.floors.methods:CopyInput",
            licence="MIT",
            needs=("image",),
            answers={"relit": ("environment", "reference"), "view": ("camera",)},
            batch=16,
            floor=True,
        ),
        MethodCard(
            name="mean-colour-gain",
            title="The input, each channel brightened to the wanted light",
            implementation="bench.methods.floors.methods:MeanColourGain",
            licence="MIT",
            needs=("image", "mask"),
            answers={"relit": ("environment", "reference+reference_mask", "reference")},
            batch=16,
            floor=True,
        ),
    ]
