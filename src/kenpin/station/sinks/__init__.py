"""Sinks: who is told of parts, each at least once, in the order of the events, and never holding up a line."""
