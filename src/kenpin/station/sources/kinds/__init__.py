"""Kinds of sources, a file each: its name is the kind's name, and a new file is a new kind."""
