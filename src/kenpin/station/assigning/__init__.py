"""Assigning: a person says of which product a part is that came without one."""
