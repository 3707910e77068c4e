"""The Python part of scripts/bench: yanksync beside its peers and a floor, all on loopback.

``shapes`` makes projects, ``pages`` their forms. ``upstream`` serves them (``nginx`` the files,
``journal`` the XML-RPC). ``tools`` are what is measured, and ``measure`` runs one. ``scenarios``
say in which order (``cooldown`` those with two mirrors, ``events`` those with a long log).
``report`` writes what came of it.
"""
