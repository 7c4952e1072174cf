"""The card of the method `inverse-shading`."""

from pathlib import Path

from bench.api import MethodCard, Option, hookimpl


@hookimpl
def bench_methods() -> list[MethodCard]:
    """Offer `inverse-shading`."""
    return [
        MethodCard(
            name="inverse-shading",
            title="Light, albedo and shape by spherical harmonics",
            implementation="bench.methods.inverse_shading.method:InverseShading",
            licence="MIT",
            paper="after Koizumi and Smith, ECCV 2020, and Ramamoorthi and Hanrahan, SIGGRAPH 2001",
            needs=("image", "mask"),
            uses=("normal", "depth", "albedo", "camera"),
            predicts=("normal", "albedo", "shading", "light_sh", "environment"),
            answers={
                "relit": (
                    "environment",
                    "reference+reference_mask+reference_camera+camera+reference_normal",
                    "reference+reference_mask+reference_camera+camera",
                    "reference+reference_mask",
                    "reference",
                )
            },
            batch=4,
            fit="per image",
            options=OPTIONS,
        )
    ]


OPTIONS = (
    Option(
        "model",
        str,
        default="regular",
        choices=("regular", "inverse"),
        help="spherical harmonics of the shading, or of its reciprocal",
    ),
    Option("order", int, default=2, bounds=(1, 3), help="order of the spherical harmonics"),
    Option(
        "iterations",
        int,
        default=3,
        bounds=(0, 50),
        help="re-weightings after the closed form: robust, and in image space; 0 for none",
    ),
    Option(
        "robust",
        str,
        default="huber",
        choices=("none", "huber", "tukey"),
        help="weights against highlights, shadows and unseen albedo edges",
    ),
    Option(
        "constraint",
        str,
        default="mean-inverse-shading",
        choices=("mean-inverse-shading", "mean-albedo"),
        help="what fixes the scale of the inverse model",
    ),
    Option(
        "stride", int, default=4, bounds=(1, 64), help="pixels between the ends of a Retinex pair"
    ),
    Option(
        "gate",
        float,
        default=3e-3,
        bounds=(1e-6, 10.0),
        help="squared sine of the angle between two colours that is taken for an albedo edge",
    ),
    Option(
        "noise",
        float,
        default=0.0,
        bounds=(0.0, 1.0),
        help="standard deviation of image noise, to remove its bias from the inverse model",
    ),
    Option(
        "lights",
        str,
        default="sh",
        choices=("sh", "non-negative"),
        help="light as spherical harmonics, or 256 lights ≥ 0 under the exact clamped cosine",
    ),
    Option(
        "white",
        str,
        default="light",
        choices=("light", "albedo"),
        help="what is grey on average, for the light's scale per channel cannot be observed",
    ),
    Option(
        "albedo_model",
        Path,
        help=".npz with mean H×W×3, modes K×H×W×3 and sigma K of a linear albedo model",
    ),
    Option(
        "illumination_prior",
        Path,
        help="folder with mean.npy (1×27) and pcaVector.npy (K×27) of natural light",
    ),
    Option(
        "prior_noise",
        float,
        default=0.05,
        bounds=(1e-6, 100.0),
        help="deviation of the image from the model at which the illumination prior counts",
    ),
    Option(
        "response",
        str,
        default="power",
        choices=("power", "linear"),
        help="how a reference photo from another camera may differ in tone from the image",
    ),
    Option(
        "refinements",
        int,
        default=0,
        bounds=(0, 2000),
        help="steps of shape from shading after inflation, for surfaces of smooth albedo",
    ),
)
