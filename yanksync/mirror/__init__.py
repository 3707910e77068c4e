"""Opens one mirror for one run.

It opens the lock or lease, the state, upstream and the output together.
"""
