"""The commands that look at a mirror, or decide about holds."""
