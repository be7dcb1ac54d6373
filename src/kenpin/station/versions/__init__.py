"""Versions of a product: a policy with its runs each, installed, approved by a person, and switched to."""
