"""One mirror, opened for one run: lock or lease, state, upstream and output together."""
