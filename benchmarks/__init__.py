"""Measurements: each beside its peer in the same run, with command, machine and date in README.md."""
