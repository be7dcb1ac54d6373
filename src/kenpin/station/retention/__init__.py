"""Retention: pictures are removed by the rules of the operator, records never."""
