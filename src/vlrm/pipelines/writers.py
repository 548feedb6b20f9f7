"""Who writes a round's texts: the local base model, or an endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Policy, image_store
from vlrm.policy.protocol import Writer

if TYPE_CHECKING:
    from vlrm.vlm import Vlm


def open_writer(policy: Policy, data: str, vlm: Vlm | None = None, critic: Path | None = None) -> Writer:
    """The endpoint when there is one, else ``vlm`` or the base model, with the critic's adapter if one is given."""
    if policy.endpoint is not None:
        from vlrm.policy.endpoint import EndpointWriter

        return EndpointWriter(policy.endpoint, image_store(data), Path(data) / "cache" / "endpoint")
    from vlrm.policy.local import LocalWriter

    local = vlm if vlm is not None else open_vlm(policy, data)
    if critic is not None:
        from vlrm.reward.critic import load_critic

        load_critic(local, critic)
    return LocalWriter(local)
