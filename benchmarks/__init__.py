"""Benchmarks: how near the work comes to what the machine can do, and how time and memory grow with the data."""
