"""One mirror, opened for one run.

Lock or lease, state, upstream and output together.
"""
