"""Reads the metrics file with Prometheus' own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def parsed(text: str) -> dict[str, float]:
    """Return every sample by its name and labels; whatever breaks a rule of the format fails."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("gauge", "counter", "histogram")
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            key = f"{sample.name.removeprefix('yanksync_')}{{{labels}}}".removesuffix("{}")
            assert key not in found and sample.timestamp is None
            found[key] = sample.value
    return found
