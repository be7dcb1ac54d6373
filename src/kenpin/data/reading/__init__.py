"""What formats share: names, pictures, columns and texts as they are found on disk, and the telling of problems."""

from __future__ import annotations

from collections.abc import Callable

from kenpin.records import Finding

Note = Callable[[Finding], None]
"""Takes every problem that a reader meets; it may raise to end the reading."""
