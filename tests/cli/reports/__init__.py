"""The commands that tell how a mirror is, and those that act on what they tell."""
