"""What a pass does where the state may not know what the output holds."""
