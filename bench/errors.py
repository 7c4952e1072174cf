"""What can go wrong, by whose hand it is mended."""


class BenchError(Exception):
    """The root of every error this project raises on purpose; its text is shown without a trace."""


class ConfigError(BenchError):
    """A benchmark file or command line asks for something that does not exist or does not fit."""


class PluginError(BenchError):
    """A plugin cannot be loaded, clashes with another, or breaks the contract of its card."""


class DataError(BenchError):
    """A data file is missing, corrupt, or not in the documented layout."""


class StoreError(BenchError):
    """A run's folder cannot be read, written or locked."""


class UnavailableError(BenchError):
    """Weights or a library cannot be had; the text holds the command that brings them."""


class InvalidValueError(BenchError):
    """A value breaks the contract of its quantity.

    Attributes:
        kind: "missing", "shape", "non-finite" or "range"; the reason an outcome is failed.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
