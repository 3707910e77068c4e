"""The tests of yanksync."""
