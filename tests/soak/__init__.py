"""Proof by the thousand: random histories, and a pass killed or failed at each of its calls."""
