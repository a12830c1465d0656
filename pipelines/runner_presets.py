"""Which runners a run may be handed to, and which of Beam's options each of them may be given.

What follows `--` goes into a job that a runner stores, logs and shows, and some of Beam's options make it store more than a
force agreed to. So the list of options is closed, and what the network or the runner's own disks would see needs a word from
whoever starts the run:

    --acknowledge=plaintext-network    rows, tokens and photos' names cross the network between launcher, runner and workers as Beam
                                       sends them, which is in the clear
    --acknowledge=runner-disks         the runner keeps rows, as the export has them, on disks outside the staging custody

This module reads text and knows no Beam.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transforms.errors import UsageError

PLAINTEXT_NETWORK: Final = "plaintext-network"
RUNNER_DISKS: Final = "runner-disks"
IN_PROCESS: Final = "FnApiRunner"

_ACKNOWLEDGE: Final = "acknowledge"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ENDPOINT: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")
_PINNED_IMAGE: Final = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
# The launcher would otherwise wait five minutes for a job service that is not there.
_TIMEOUT: Final = ("job_server_timeout", "30")

# What is refused by name, since people will ask for it; everything else that no preset lists is refused without a reason.
_UNSAFE: Final[Mapping[str, str]] = {
    "save_main_session": "it pickles the whole process, keys included; workers get the installed package",
    "setup_file": "workers get the installed package, not code that the launcher sends",
    "requirements_file": "workers get the installed package, not code that the launcher sends",
    "extra_package": "workers get the installed package, not code that the launcher sends",
    "extra_packages": "workers get the installed package, not code that the launcher sends",
    "files_to_stage": "workers get the installed package, not code that the launcher sends",
    "pickle_library": "what travels in the graph is made for Beam's own pickler",
    "experiments": "some of them sample rows into the runner's log",
    "profile_memory": "a profile of a worker holds rows and keys",
    "environment_variables": "a runner stores and shows them; a key is a reference that the worker opens",
}


@dataclass(frozen=True, slots=True)
class _Preset:
    """`options` may be given and `required` must be."""

    options: frozenset[str]
    required: tuple[str, ...] = ()


_WORKERS: Final = ("environment_type", "environment_config")
_JOB: Final = ("runner", "job_name", "job_server_timeout", "sdk_worker_parallelism", *_WORKERS)

_PRESETS: Final[Mapping[str, _Preset]] = {
    IN_PROCESS: _Preset(frozenset({"runner", "direct_running_mode", "direct_num_workers", "direct_runner_bundle_repeat"})),
    "PortableRunner": _Preset(frozenset({*_JOB, "job_endpoint", "artifact_endpoint"}), ("job_endpoint", *_WORKERS)),
    "FlinkRunner": _Preset(
        frozenset({*_JOB, "flink_master", "flink_version", "flink_job_server_jar", "parallelism", "max_parallelism"}),
        ("flink_master", "flink_job_server_jar", *_WORKERS),
    ),
    "DataflowRunner": _Preset(
        frozenset(
            {
                *("runner", "job_name", "project", "region", "temp_location", "staging_location", "service_account_email"),
                *("network", "subnetwork", "no_use_public_ips", "dataflow_kms_key", "sdk_container_image", "sdk_location"),
                *("num_workers", "max_num_workers", "autoscaling_algorithm", "worker_machine_type", "disk_size_gb", "labels"),
            }
        ),
        ("project", "region", "temp_location", "staging_location", "no_use_public_ips", "sdk_container_image", "sdk_location"),
    ),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A runner by its name in Beam, and Beam's options for it; `in_process` if nothing leaves this process or its children."""

    runner: str
    arguments: tuple[str, ...]

    @property
    def in_process(self) -> bool:
        """Whether workers share this machine, its files and its working directory."""
        return self.runner == IN_PROCESS


def choose(arguments: Sequence[str]) -> Chosen:
    """Holds what followed `--` to the preset of the runner that it names.

    Raises:
        UsageError: code `runner-unknown`, `option-unknown`, `option-unsafe`, `option-missing` or `not-acknowledged`.
    """
    given = _parse(arguments)
    acknowledged = set(given.pop(_ACKNOWLEDGE, "").split(",")) - {""}
    if acknowledged - {PLAINTEXT_NETWORK, RUNNER_DISKS}:
        raise UsageError(
            "--acknowledge names no known risk", hint=f"known: {PLAINTEXT_NETWORK}, {RUNNER_DISKS}", code="option-unknown"
        )
    runner = given.get("runner", IN_PROCESS)
    preset = _PRESETS.get(runner)
    if preset is None:
        hint = f"known: {', '.join(_PRESETS)}; DirectRunner and PrismRunner may download another program, so neither is"
        raise UsageError("no preset has that runner", hint=hint, code="runner-unknown")
    for name in given:
        if name in _UNSAFE:
            raise UsageError(f"{name} is refused", hint=_UNSAFE[name], code="option-unsafe")
        if name not in preset.options:
            hint = f"{runner} takes: {', '.join(sorted(preset.options))}"
            raise UsageError("an option after -- is not one of the runner's", hint=hint, code="option-unknown")
    for name in preset.required:
        if name not in given:
            raise UsageError(f"{runner} needs --{name}", hint="see docs/running-on-a-cluster.md", code="option-missing")
    needed = _risks(runner, given)
    if needed - acknowledged:
        raise UsageError(
            f"the run would take a risk that nobody acknowledged: {', '.join(sorted(needed - acknowledged))}",
            hint=f"read docs/running-on-a-cluster.md, then add --acknowledge={','.join(sorted(needed))}",
            code="not-acknowledged",
        )
    if runner not in (IN_PROCESS, "DataflowRunner"):
        given.setdefault(*_TIMEOUT)
    return Chosen(runner, tuple(f"--{name}={value}" if value else f"--{name}" for name, value in given.items()))


def _risks(runner: str, given: Mapping[str, str]) -> set[str]:
    """The risks of a run with these options.

    Raises:
        UsageError: an option has a value that no acknowledgement makes safe.
    """
    if runner == IN_PROCESS:
        return set()
    if runner == "DataflowRunner":
        return _dataflow_risks(given)
    config = given["environment_config"]
    if given["environment_type"] == "DOCKER":
        if not _PINNED_IMAGE.fullmatch(config):
            raise _unsafe("environment_config", "name the workers' image by its digest, as NAME@sha256:DIGEST")
        endpoints = []
    elif given["environment_type"] == "EXTERNAL":
        endpoints = [config]
    else:
        raise _unsafe("environment_type", "workers are EXTERNAL, or DOCKER with an image that is named by its digest")
    endpoints += [given[name] for name in ("job_endpoint", "artifact_endpoint", "flink_master") if name in given]
    for endpoint in endpoints:
        if not _ENDPOINT.fullmatch(endpoint):
            raise UsageError("an endpoint is not HOST:PORT", hint="write it as localhost:8073", code="option-unsafe")
    local = all(endpoint.rpartition(":")[0] in _LOOPBACK for endpoint in endpoints)
    risks = set() if local else {PLAINTEXT_NETWORK, RUNNER_DISKS}
    return risks | {RUNNER_DISKS} if runner == "FlinkRunner" else risks


def _dataflow_risks(given: Mapping[str, str]) -> set[str]:
    for name in ("temp_location", "staging_location"):
        if not given[name].startswith("gs://"):
            raise _unsafe(name, "name a bucket, as gs://BUCKET/PATH")
    if not _PINNED_IMAGE.fullmatch(given["sdk_container_image"]):
        raise _unsafe("sdk_container_image", "name the workers' image by its digest, as NAME@sha256:DIGEST")
    if given["sdk_location"] != "container":
        raise _unsafe("sdk_location", "write --sdk_location=container: the package is in the image")
    return set() if given.get("dataflow_kms_key") else {RUNNER_DISKS}


def _unsafe(name: str, hint: str) -> UsageError:
    return UsageError(f"the value of {name} is refused", hint=hint, code="option-unsafe")


def _parse(arguments: Sequence[str]) -> dict[str, str]:
    """Options by name; an option without a value has an empty one."""
    given: dict[str, str] = {}
    waiting = None
    for argument in arguments:
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            if name in given:
                raise UsageError("an option after -- is given twice", hint="give it once", code="option-unknown")
            given[name] = value
            waiting = None if equals else name
        elif waiting is not None:
            given[waiting], waiting = argument, None
        else:
            raise UsageError("a word after -- is no option", hint="options begin with two hyphens", code="option-unknown")
    return given
