"""Probes of what a model costs: memory, time, energy."""
