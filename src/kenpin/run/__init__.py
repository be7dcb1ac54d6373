"""The run folder: all that it holds is named, written and read here."""
