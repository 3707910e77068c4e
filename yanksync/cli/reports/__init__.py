"""The commands that look at a mirror, and those that decide what a guard holds."""
