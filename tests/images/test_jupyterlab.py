"""The JupyterLab image, run as a restricted pod runs it but without a cluster."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from images.builder import Builder
from images.catalogue import Catalogue
from images.progress import Progress
from images.store import Store
from tests.images import pod, unpack

pytestmark = [pytest.mark.platform, pytest.mark.timeout(1800)]

PYTHON = """
import os
import boto3, duckdb, lifelines, matplotlib.pyplot as plot, numpy, pandas, polars, psycopg, pyarrow, pymysql, s3fs
import scipy, seaborn, sklearn, sqlalchemy, statsmodels.api
plot.plot([1, 2])
plot.savefig("/tmp/figure.png")
pandas.DataFrame({"age": [40, 50]}).to_parquet("cohort.parquet")
print(os.getuid(), pandas.read_parquet("cohort.parquet").age.mean(), os.access("/opt/jupyter", os.W_OK))
"""
R = """
suppressMessages({library(data.table); library(dplyr); library(ggplot2); library(tidyr); library(readr); library(haven)
library(DBI); library(RPostgreSQL); library(RMySQL); library(RSQLite)
library(Epi); library(geepack); library(lme4); library(mice); library(survival)})
ggsave("/tmp/figure.png", ggplot(lung, aes(time, age)) + geom_point(), width = 3, height = 3)
png("/tmp/plain.png"); plot(1:3); invisible(dev.off())
cat(nrow(lung), mean(c(40, 50)), file.access("/usr/lib/R", 2))
"""


@pytest.fixture(scope="module")
def archive() -> Path:
    images = {image.name: image for image in Builder(Catalogue(), Store(), Progress()).build(["jupyterlab"])}
    return Path(images["jupyterlab"].archive)


@pytest.fixture(scope="module")
def config(archive: Path) -> dict[str, Any]:
    return unpack.config(archive)["config"]


@pytest.fixture(scope="module")
def root(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("jupyterlab") / "root"
    unpack.unpack(archive, folder)
    yield folder
    shutil.rmtree(folder)  # 2 GB that pytest would keep


@pytest.fixture(scope="module")
def seen(root: Path, config: dict[str, Any]) -> dict[str, Any]:
    return pod.run("lab", root, config, cells={"python3": PYTHON, "ir": R})


def test_a_python_cell_and_an_r_cell_run(seen: dict[str, Any]):
    assert seen["printed"] == {"python3": "1000 45.0 False\n", "ir": "228 45 -1"}


def test_only_the_probe_and_the_sign_in_page_answer_without_a_token(seen: dict[str, Any]):
    assert seen["pages"] == {
        "api": 200,
        "lab": 302,
        f"lab?token={pod.TOKEN}": 200,
        "login": 200,
        "api/kernels": 403,
        "api/contents": 403,
        "api/terminals": 403,
        "/": 302,
        "/api": 302,
    }


def test_the_token_is_not_in_the_log(seen: dict[str, Any]):
    assert "running at" in seen["log"]
    assert pod.TOKEN not in seen["log"]


def test_nothing_fails_on_a_read_only_root(seen: dict[str, Any]):
    assert not re.search(r"Read-only|Permission denied|Traceback|\[E ", seen["log"])


def test_the_page_offers_nothing_that_calls_out(seen: dict[str, Any]):
    text = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', seen["settings"], re.DOTALL)
    assert text
    settings = json.loads(text.group(1))
    assert settings["news"] == {"disabled": True}
    assert settings["extensionManager"]["can_install"] is False
    assert settings["buildAvailable"] is False
    assert "@jupyterlab/apputils-extension:announcements" in settings["disabledExtensions"]


@pytest.mark.parametrize(("token", "reason"), [(None, "No such file or directory"), ("", "is empty")])
def test_a_server_without_a_token_does_not_start(root: Path, config: dict[str, Any], token: str | None, reason: str):
    seen = pod.run("refusal", root, config, token=token)
    assert seen["status"] == 1
    assert f"/run/secrets/jupyterlab/token: {reason}" in seen["log"]
    assert "running at" not in seen["log"]


def test_a_hub_can_start_it_and_only_its_user_gets_in(root: Path, config: dict[str, Any]):
    seen = pod.run("hub", root, config)
    assert seen["statuses"] == {"marie": 200, "paul": 403, "nobody": 403}, seen["log"]


def test_no_program_changes_its_user(root: Path):
    assert [file for file in root.rglob("*") if file.is_file() and file.lstat().st_mode & 0o6000] == []
