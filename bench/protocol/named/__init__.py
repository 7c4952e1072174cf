"""The protocols that have a name; docs/protocols.md tells their habits."""

from collections.abc import Mapping

from bench.protocol import Protocol
from bench.protocol.named.dtu import DTU
from bench.protocol.named.intrinsic import IIW, MARIGOLD_IID, MIT
from bench.protocol.named.neutral import NEUTRAL
from bench.protocol.named.photographs import NRW, NRW_HALF, OWL
from bench.protocol.named.sord import SORD
from bench.protocol.named.stanford_orb import STANFORD_ORB
from bench.protocol.named.synthetic import NERFACTOR, SYNTHETIC4RELIGHT, TENSOIR

__all__ = ["NEUTRAL", "PROTOCOLS", "SORD"]

PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        NEUTRAL,
        STANFORD_ORB,
        TENSOIR,
        NERFACTOR,
        SYNTHETIC4RELIGHT,
        SORD,
        OWL,
        NRW,
        NRW_HALF,
        MIT,
        IIW,
        MARIGOLD_IID,
        DTU,
    )
}
