"""What formats share: one reading with its problems and texts, names, pictures, columns as they are found on disk."""

from kenpin.data.reading.reading import Note, Reading

__all__ = ["Note", "Reading"]
