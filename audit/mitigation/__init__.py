"""Remedies for what an audit found: each tried on cases that it has not seen, with what it costs elsewhere."""
