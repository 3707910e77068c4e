"""Package files of a mirror that copies them.

Their places, and which of them a page offers.
"""
