"""Monitoring: control charts of each line against a reference stretch of the version that judges, and their alarms."""
