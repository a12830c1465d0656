"""Detectors and verdict over decoded release bytes; shares no code with what it checks."""
