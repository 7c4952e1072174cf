"""A plugin-based benchmark harness for inverse rendering."""

from pathlib import Path

# In a checkout the plugin folders stand beside this package, in a wheel inside it.
if (Path(__file__).resolve().parents[1] / "bench.toml").exists():
    __path__.append(str(Path(__file__).resolve().parents[1]))

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # `bench.score` without making every start of the command line import NumPy.
    if name == "score":
        from bench.arrays import score

        return score
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
