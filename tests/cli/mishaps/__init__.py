"""The program where something is broken, locked, full or in the way."""
