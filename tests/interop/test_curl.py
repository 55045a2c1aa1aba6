"""curl, with its own HTTP/2 (nghttp2), against our event streams and plain routes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.serving import in_a_thread

from . import application

KINDS = ["async", "sync", "async-generator", "sync-generator"]


@pytest.fixture(scope="module")
def curl() -> str:
    """Give curl's path, if it speaks HTTP/2."""
    path = shutil.which("curl")
    if path is None or "HTTP2" not in subprocess.check_output([path, "-V"], text=True):
        pytest.skip("needs curl with HTTP/2 (Debian: apt-get install curl)")
    return path


@pytest.fixture(scope="module", params=["h2", "h2c"])
def fetch(
    curl: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., tuple[str, str]]]:
    """Give a function that has curl ask for a path; it tells version and status, and the body."""
    options: dict[str, str] = {}
    flags = ["--http2-prior-knowledge"]
    if request.param == "h2":
        folder = tmp_path_factory.mktemp("certificate")
        options = certificate(folder)
        flags = ["--http2", "--cacert", str(folder / "ca.pem")]

    def run(path: str, *args: str) -> tuple[str, str]:
        done = subprocess.run(
            [curl, "-sS", "--max-time", "20", *flags, "-w", r"\n%{http_version} %{http_code}",
             *args, running.url.replace("ws", "http", 1) + path],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        body, _, told = done.stdout.rpartition("\n")
        return told, body

    with in_a_thread(application.app, http2=True, grace=1.0, **options) as running:
        yield run


def certificate(folder: Path) -> dict[str, str]:
    """Write a certificate of 127.0.0.1, and who vouches for it; give the server's options."""
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    own.private_key_and_cert_chain_pem.write_to_path(str(folder / "own.pem"))
    return {"ssl_certfile": str(folder / "own.pem")}


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_stream(fetch: Callable[..., tuple[str, str]], kind: str) -> None:
    told, body = fetch(f"/{kind}/events")
    assert told == "2 200"
    assert body.count("event: count\n") == 3
