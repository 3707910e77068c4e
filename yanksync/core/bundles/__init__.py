"""What a bundle has in it: its header, its members, and what they may name."""
