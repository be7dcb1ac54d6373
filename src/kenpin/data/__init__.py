"""Labelled pictures: reading, checking, splitting and writing them."""
