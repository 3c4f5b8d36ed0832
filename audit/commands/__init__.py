"""Commands that are more than a call: one module each; ``audit.cli`` puts them together."""
