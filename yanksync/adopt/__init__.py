"""Takes over a tree that another program made."""
