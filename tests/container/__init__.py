"""The pages on containers and systemd, with a real podman and a real systemd.

``scripts/container`` runs this, as root. Only that run of the tests collects it, because some
machines do not let a container be made.
"""
