"""Queries of commands and metrics that read several tables."""
