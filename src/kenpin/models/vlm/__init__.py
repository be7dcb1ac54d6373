"""VLM: a chat model that looks at a picture and answers any question on it in words."""

from __future__ import annotations

from kenpin.models.vlm.family import FAMILY
from kenpin.models.vlm.inspector import ChatInspector
from kenpin.models.vlm.options import VlmOptions

__all__ = ["FAMILY", "ChatInspector", "VlmOptions"]
