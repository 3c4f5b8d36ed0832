"""For all tests."""

from audit.later import collect_seldom

# As in the command: what torch and transformers leave behind is not gone over again for each of thousands of tests.
collect_seldom()
