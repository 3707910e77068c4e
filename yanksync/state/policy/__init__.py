"""What the state remembers for cooldown and overrides."""
