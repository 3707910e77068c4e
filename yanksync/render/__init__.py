"""Rendering: value to bytes. No clock, no path, no session; the same value gives the same bytes."""
