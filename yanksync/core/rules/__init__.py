"""Decides what journal entries and answers of upstream mean."""
