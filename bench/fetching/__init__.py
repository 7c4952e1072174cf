"""Archives from the web: downloaded piece by piece, checked, and unpacked."""

from bench.fetching.archives import unpack
from bench.fetching.downloads import Fetched, fetch

__all__ = ["Fetched", "fetch", "unpack"]
