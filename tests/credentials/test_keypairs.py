"""Key pairs that the agent draws itself, for an S3 server that reads its accounts from Vault."""

import json
from typing import Any

import pytest

from tests.credentials.agent import Agent, text_file
from tests.credentials.vault import Vault, VaultRefusalError
from tests.credentials.waiting import until

pytestmark = pytest.mark.slow

PATHS = ["kv/data/cohort/REDA", "kv/data/cohort/REDB"]


@pytest.fixture
def pair(agent: Agent) -> Agent:
    account = {"access": "{access}", "secret": "{secret}", "role": "user", "userID": 1000}
    drawn = {"name": "s3", "paths": PATHS, "bytes": 30, "lifetime": "3s", "data": {"{access}": account}}
    agent.settings["keypairs"] = [drawn]
    template = (
        '{"Version": 1, "AccessKeyId": {{ json .s3.access }}, "SecretAccessKey": {{ json .s3.secret }},'
        ' "Expiration": {{ json .s3.expires }}}'
    )
    agent.settings["files"] = [text_file(agent.folder / "s3.json", template)]
    return agent


def written(agent: Agent) -> dict[str, Any]:
    return json.loads((agent.folder / "s3.json").read_text())


def stored(vault: Vault, path: str) -> dict[str, Any]:
    try:
        return vault.call("GET", path)["data"]["data"]
    except VaultRefusalError:
        return {}


def accepted(vault: Vault, keys: dict[str, Any]) -> bool:
    """Whether a server that reads its accounts from the store would accept a pair."""
    access = keys["AccessKeyId"]
    account = stored(vault, f"kv/data/cohort/{access}").get(access, {})
    return account.get("secret") == keys["SecretAccessKey"]


def test_a_pair_is_stored_as_the_server_wants_it(pair: Agent, vault: Vault) -> None:
    pair.start().until_fresh()
    keys = written(pair)
    account = stored(vault, PATHS[0])["REDA"] if keys["AccessKeyId"] == "REDA" else stored(vault, PATHS[1])["REDB"]
    assert account == {"access": keys["AccessKeyId"], "secret": keys["SecretAccessKey"], "role": "user", "userID": 1000}
    assert len(keys["SecretAccessKey"]) == 40


def test_the_former_pair_stands_while_the_new_one_takes_over(pair: Agent, vault: Vault) -> None:
    pair.start().until_fresh()
    seen = [written(pair)]
    while len(seen) < 4:
        keys = written(pair)
        if keys != seen[-1]:
            assert accepted(vault, seen[-1])
            seen.append(keys)
        assert accepted(vault, keys)
    assert [keys["AccessKeyId"] for keys in seen] in (["REDA", "REDB"] * 2, ["REDB", "REDA"] * 2)
    assert len({keys["SecretAccessKey"] for keys in seen}) == 4


def test_both_pairs_are_gone_at_the_end_with_all_versions(pair: Agent, vault: Vault) -> None:
    pair.start().until_fresh()
    until(lambda: stored(vault, PATHS[0]) and stored(vault, PATHS[1]))
    secret = written(pair)["SecretAccessKey"]
    assert pair.stop() == 0
    assert secret not in pair.log
    for path in PATHS:
        with pytest.raises(VaultRefusalError):
            vault.call("GET", path.replace("/data/", "/metadata/"))
