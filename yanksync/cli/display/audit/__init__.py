"""The report of ``audit`` in each of its formats."""
