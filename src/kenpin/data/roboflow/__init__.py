"""Exports of Roboflow: asked for with a key that nobody sees, downloaded, unpacked without trust, and read."""

from kenpin.data.roboflow.export import download_export, is_reference

__all__ = ["download_export", "is_reference"]
