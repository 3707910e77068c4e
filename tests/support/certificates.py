"""Certificates, made by the ``openssl`` command."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def found(where: Path) -> None:
    """Make a certificate authority in the directory ``where``: ``ca.pem``, and its key."""
    _openssl("-keyout", str(where / "ca.key"), "-out", str(where / "ca.pem"), "-subj", "/CN=test",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip


def made_by(authority: Path, *names: str) -> ssl.SSLContext:
    """Return what a server speaks TLS with: a key, and a certificate for ``names``."""
    key, own = authority / "key.pem", authority / "own.pem"
    signed = ("-CA", str(authority / "ca.pem"), "-CAkey", str(authority / "ca.key"))
    _openssl(*signed, "-keyout", str(key), "-out", str(own), "-subj", "/CN=x",
             "-addext", f"subjectAltName={','.join(names)}",
             "-addext", "basicConstraints=critical,CA:FALSE")  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    return context


def _openssl(*more: str) -> None:
    command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    subprocess.run([*command, "-nodes", "-days", "2", *more], check=True, capture_output=True)
