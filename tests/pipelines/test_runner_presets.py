"""Which runners and options a run may be given, and what has to be acknowledged first."""

from __future__ import annotations

import pytest

from pipelines.runner_presets import choose
from pipelines.runners import pipeline_options
from transforms.errors import UsageError

PRISM = (
    "--runner=PortableRunner",
    "--job_endpoint=localhost:8073",
    "--environment_type=EXTERNAL",
    "--environment_config=localhost:50000",
)
FLINK = (
    "--runner=FlinkRunner",
    "--flink_master=localhost:8081",
    "--flink_job_server_jar=/opt/beam-runners-flink-job-server.jar",
    "--environment_type=EXTERNAL",
    "--environment_config=localhost:50000",
)
IMAGE = f"registry.example/supplier-views@sha256:{'0' * 64}"
DATAFLOW = (
    "--runner=DataflowRunner",
    "--project=force",
    "--region=europe-west2",
    "--temp_location=gs://force-temp/views",
    "--staging_location=gs://force-staging/views",
    "--no_use_public_ips",
    f"--sdk_container_image={IMAGE}",
    "--sdk_location=container",
    "--dataflow_kms_key=projects/force/locations/europe-west2/keyRings/views/cryptoKeys/temp",
)


def _refusal(*arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        choose(arguments)
    assert caught.value.exit_status == 2
    return caught.value.code


def _without(arguments: tuple[str, ...], name: str) -> list[str]:
    left = [argument for argument in arguments if not argument.startswith(f"--{name}")]
    assert len(left) == len(arguments) - 1
    return left


def test_nothing_after_the_hyphens_is_the_runner_in_this_process() -> None:
    assert choose(()).in_process
    assert choose(("--direct_num_workers", "2", "--direct_running_mode=multi_threading")).arguments == (
        "--direct_num_workers=2",
        "--direct_running_mode=multi_threading",
    )


def test_workers_on_this_machine_need_no_acknowledgement() -> None:
    chosen = choose(PRISM)
    assert (chosen.runner, chosen.in_process) == ("PortableRunner", False)


def test_a_job_service_that_is_not_there_is_waited_for_half_a_minute_unless_told_otherwise() -> None:
    assert "--job_server_timeout=30" in choose(PRISM).arguments
    assert "--job_server_timeout=300" in choose((*PRISM, "--job_server_timeout=300")).arguments


def test_beam_understands_every_option_of_the_portable_preset() -> None:
    told = pipeline_options(choose((*PRISM, "--job_name=night", "--sdk_worker_parallelism=2"))).get_all_options()
    assert {name: told[name] for name in ("job_endpoint", "environment_type", "environment_config", "job_name")} == {
        "job_endpoint": "localhost:8073",
        "environment_type": "EXTERNAL",
        "environment_config": "localhost:50000",
        "job_name": "night",
    }


@pytest.mark.parametrize("runner", ["DirectRunner", "PrismRunner", "SparkRunner", "apache_beam.runners.dask.DaskRunner", ""])
def test_a_runner_without_a_preset_is_refused(runner: str) -> None:
    assert _refusal(f"--runner={runner}") == "runner-unknown"


@pytest.mark.parametrize(
    "option",
    [
        "--save_main_session",
        "--setup_file=setup.py",
        "--requirements_file=requirements.txt",
        "--pickle_library=dill_unsafe",
        "--experiments=enable_data_sampling",
        "--environment_variables=KEK=0123",
        "--extra_package=/tmp/other.whl",
    ],
)
@pytest.mark.parametrize("preset", [(), PRISM, FLINK, DATAFLOW], ids=["in-process", "portable", "flink", "dataflow"])
def test_an_option_that_would_store_secrets_or_code_is_refused_by_every_preset(preset: tuple[str, ...], option: str) -> None:
    assert _refusal(*preset, option) == "option-unsafe"


@pytest.mark.parametrize(
    "option", ["--no_such_option=1", "--save_main", "--savemainsession", "-x", "word", "--job_endpoint=localhost:1"]
)
def test_an_unknown_abbreviated_or_repeated_option_is_refused(option: str) -> None:
    assert _refusal(*PRISM, option) == "option-unknown"


@pytest.mark.parametrize(
    ("preset", "name"),
    [(PRISM, name.split("=")[0][2:]) for name in PRISM[1:]]
    + [(FLINK, name.split("=")[0][2:]) for name in FLINK[1:]]
    + [(DATAFLOW, name.split("=")[0][2:]) for name in DATAFLOW[1:-1]],
)
def test_an_option_that_a_preset_needs_is_not_left_to_a_default(preset: tuple[str, ...], name: str) -> None:
    acknowledged = "--acknowledge=runner-disks,plaintext-network"
    assert _refusal(*_without(preset, f"{name}"), acknowledged) == "option-missing"


@pytest.mark.parametrize("name", ["job_endpoint", "environment_config"])
def test_rows_do_not_cross_a_network_in_the_clear_until_somebody_says_so(name: str) -> None:
    far = [*_without(PRISM, name), f"--{name}=prism.force.example:8073"]
    assert _refusal(*far) == "not-acknowledged"
    assert _refusal(*far, "--acknowledge=plaintext-network") == "not-acknowledged"
    assert choose([*far, "--acknowledge=plaintext-network,runner-disks"]).arguments[0] == "--runner=PortableRunner"


def test_rows_are_not_spilled_to_flinks_own_disks_until_somebody_says_so() -> None:
    assert _refusal(*FLINK) == "not-acknowledged"
    assert choose([*FLINK, "--acknowledge=runner-disks"]).runner == "FlinkRunner"


def test_dataflow_keeps_rows_under_the_forces_own_key_unless_somebody_says_so() -> None:
    assert choose(DATAFLOW).runner == "DataflowRunner"
    without = _without(DATAFLOW, "dataflow_kms_key")
    assert _refusal(*without) == "not-acknowledged"
    assert choose([*without, "--acknowledge=runner-disks"]).runner == "DataflowRunner"


def test_what_was_acknowledged_is_not_handed_to_beam() -> None:
    assert not [option for option in choose([*FLINK, "--acknowledge=runner-disks"]).arguments if "acknowledge" in option]


def test_an_acknowledgement_of_something_else_is_refused() -> None:
    assert _refusal(*FLINK, "--acknowledge=everything") == "option-unknown"


@pytest.mark.parametrize(
    ("preset", "option"),
    [
        (PRISM, "--environment_type=LOOPBACK"),
        (PRISM, "--environment_type=PROCESS"),
        (PRISM, "--job_endpoint=embed"),
        (FLINK, "--flink_master=[local]"),
        (DATAFLOW, "--sdk_container_image=registry.example/supplier-views:latest"),
        (DATAFLOW, "--sdk_location=default"),
        (DATAFLOW, "--temp_location=/tmp"),
        (DATAFLOW, "--staging_location=s3://bucket/path"),
    ],
)
def test_a_value_that_nothing_makes_safe_is_refused_even_if_acknowledged(preset: tuple[str, ...], option: str) -> None:
    name = option.split("=")[0][2:]
    others = [*_without(preset, name), "--acknowledge=runner-disks,plaintext-network"]
    assert _refusal(*others, option) == "option-unsafe"


def test_an_image_of_workers_is_named_by_its_digest() -> None:
    docker = [*FLINK[:3], "--environment_type=DOCKER", "--acknowledge=runner-disks"]
    assert choose([*docker, f"--environment_config={IMAGE}"]).runner == "FlinkRunner"
    assert _refusal(*docker, "--environment_config=supplier-views:latest") == "option-unsafe"


def test_no_refusal_quotes_the_value_of_an_option() -> None:
    for arguments in ((f"--{'s3cret' * 3}=x",), (*PRISM, "--experiments=s3cret"), ("--runner=s3cret",)):
        with pytest.raises(UsageError) as caught:
            choose(arguments)
        assert "s3cret" not in f"{caught.value} {caught.value.hint}"
