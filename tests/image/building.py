"""Builds the image from the `Dockerfile`, with Debian's buildah, on a base that stands in for the published one."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.debian import program
from tests.support.packages import ROOT

BASE = "docker.io/library/python:3.13-slim-trixie"
"""What the `Dockerfile` builds on. Its stand-in has the same Debian and the same Python, of Debian's own packages."""

_SUITE = "trixie"
_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_NAME = "whopays:image-test"
_BUILDING_SECONDS = 1500


@dataclass(frozen=True)
class Image:
    """An image: its root, mounted and not to be written to, that of its base, and its configuration."""

    root: Path
    base: Path
    config: dict[str, Any]
    base_environment: frozenset[str]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that each of its containers has."""
        return dict(one.split("=", 1) for one in self.config["Env"])


class Storage:
    """Images and containers of buildah in a folder of their own, which no other user of buildah sees."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._buildah = program("buildah", "buildah")
        self._mmdebstrap = program("mmdebstrap", "mmdebstrap")

    def build(self) -> Image:
        """Build the image from the project's own `Dockerfile`."""
        if not self._run("images", "--quiet", "--filter", f"reference={BASE}"):
            self._make_base()
        self._run(
            "bud", "--isolation", "chroot", "--format", "docker", "--pull-never", "--tag", _NAME, str(ROOT),
            seconds=_BUILDING_SECONDS,
        )  # fmt: skip
        return Image(
            self._mounted(_NAME), self._mounted(BASE), self._config(_NAME), frozenset(self._config(BASE)["Env"])
        )

    def clean(self) -> None:
        """Unmount and remove the containers, and images that others have replaced."""
        self._run("rm", "--all")
        self._run("rmi", "--prune")

    def _make_base(self) -> None:
        archive = self._folder / "base.tar"
        subprocess.run(
            [self._mmdebstrap, "--quiet", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, archive],
            check=True, timeout=_BUILDING_SECONDS,
        )  # fmt: skip
        container = self._run("from", "scratch")
        self._run("add", "--quiet", container, str(archive), "/")
        archive.unlink()
        root = Path(self._run("mount", container))
        for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        for name in ("python", "pip"):
            (root / "usr/local/bin" / name).symlink_to(f"/usr/bin/{name}3")
        # Whoever tests behind a proxy that ends TLS trusts more than Debian does.
        if (trusted := Path("/") / _CERTIFICATES).exists():
            shutil.copyfile(trusted, root / _CERTIFICATES)
        self._run("umount", container)
        self._run("config", "--env", f"SSL_CERT_FILE=/{_CERTIFICATES}", container)
        self._run("commit", "--quiet", container, BASE)
        self._run("rm", container)

    def _mounted(self, image: str) -> Path:
        return Path(self._run("mount", self._run("from", "--pull-never", image)))

    def _config(self, image: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self._run("inspect", "--type", "image", image))["Docker"]["config"]
        return config

    def _run(self, *words: str, seconds: float = 300) -> str:
        places = ("--root", self._folder / "storage", "--runroot", self._folder / "run")
        done = subprocess.run(
            [self._buildah, *places, *words],
            env=os.environ | {"STORAGE_DRIVER": "overlay"},
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"buildah {' '.join(words)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout.strip()
