"""What a bundle has in it.

Its header, its members, and what they may name.
"""
