"""Export and photos that lie in an S3 store, here a server process of moto's on loopback: run by `make test-object-store`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from conftest import Ended, Site

BUCKET = "force-hr"


@pytest.fixture(scope="module")
def store() -> Iterator[Mapping[str, str]]:
    """The variables with which a process finds the store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "reader",
            "AWS_SECRET_ACCESS_KEY": "of-moto-only",
            "AWS_DEFAULT_REGION": "eu-west-2",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def client(store: Mapping[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=store["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=store["AWS_SECRET_ACCESS_KEY"],
        region_name=store["AWS_DEFAULT_REGION"],
    )


@pytest.fixture(scope="module")
def filled(client: Any, bare_site: Site) -> None:
    """The site's export and photos, in the store."""
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    client.upload_file(bare_site.export, BUCKET, "night/hr-export.csv")
    for photo in Path(bare_site.photos).rglob("*"):
        if photo.is_file():
            client.upload_file(str(photo), BUCKET, f"night/photos/{photo.relative_to(bare_site.photos).as_posix()}")


def _in_store(site: Site, photos: str = f"s3://{BUCKET}/night/photos") -> list[str]:
    """A run's arguments with the export in the store."""
    arguments = replace(site, export=f"s3://{BUCKET}/night/hr-export.csv").arguments("run")
    arguments[arguments.index("--photos") + 1] = photos
    return arguments


@pytest.mark.usefixtures("filled")
def test_a_run_from_an_s3_store_releases_what_a_run_from_directories_does(
    site: Site, store: Mapping[str, str], command: Any, first_run: tuple[Site, Ended]
) -> None:
    ended = command(_in_store(site), env=os.environ | store)
    assert ended.status == 0, ended.stderr
    assert site.visible() == first_run[0].visible()


@pytest.mark.usefixtures("filled")
def test_a_photo_store_that_is_not_there_stops_the_run_and_is_not_taken_for_missing_photos(
    site: Site, store: Mapping[str, str], command: Any
) -> None:
    ended = command(_in_store(site, "s3://no-such-bucket/photos"), env=os.environ | store)
    assert (ended.status, ended.summary["code"]) == (30, "store-unavailable")
    assert site.visible() == {}
