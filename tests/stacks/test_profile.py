from pathlib import Path

import pytest

from documents import InvalidDocumentsError
from stacks.profile import load_profile
from tests.samples import ROOT, local_profile


def test_the_gateway_s_hosts_are_one_label_below_its_domain() -> None:
    url = local_profile().gateway_url("identity", "/realms/cloison")
    assert url == "https://identity.gateway.platform-gateway.localhost:8443/realms/cloison"


def test_the_gateway_s_usual_port_is_not_written() -> None:
    profile = local_profile()
    gateway = profile.exposure.gateway.model_copy(update={"port": 443, "domain": "hub.example"})
    exposure = profile.exposure.model_copy(update={"gateway": gateway})
    assert profile.model_copy(update={"exposure": exposure}).gateway_url("identity") == "https://identity.hub.example"


def test_an_unknown_capability_is_refused_with_its_line(tmp_path: Path) -> None:
    text = (ROOT / "stacks" / "profiles" / "local.yaml").read_text()
    (tmp_path / "local.yaml").write_text(text + "colour: blue\n")
    with pytest.raises(InvalidDocumentsError, match="colour = 'blue': is not a field") as refused:
        load_profile(tmp_path, "local")
    assert refused.value.problems[0].line == len(text.splitlines()) + 1


def test_a_missing_profile_is_one_clear_problem() -> None:
    with pytest.raises(InvalidDocumentsError, match=r"nowhere\.yaml: there is no such profile; use one of: local"):
        load_profile(ROOT / "stacks" / "profiles", "nowhere")


@pytest.mark.parametrize(
    ("seal", "message"),
    [
        ("{type: shamir, shares: 2, threshold: 3}", "asks for more shares than the 2 there are"),
        ("{type: shamir, shares: 5, threshold: 1}", "lets each holder of a share open it alone"),
        ("{type: shamir, shares: 3, threshold: 2, settings: {a: b}}", "`shamir` asks nobody"),
        ("{type: wax, shares: 3, threshold: 2}", "wax"),
    ],
)
def test_a_seal_that_cannot_be_is_refused(tmp_path: Path, seal: str, message: str) -> None:
    text = (ROOT / "stacks" / "profiles" / "local.yaml").read_text()
    wrong = text.replace("{type: shamir, shares: 3, threshold: 2}", seal)
    assert wrong != text
    (tmp_path / "local.yaml").write_text(wrong)
    with pytest.raises(InvalidDocumentsError, match=message):
        load_profile(tmp_path, "local")
