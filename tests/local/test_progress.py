import io
import re

import pytest
from rich.console import Console

from local import dns, progress, waiting
from local.progress import Progress


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def plain(output: io.StringIO) -> Progress:
    return Progress(Console(file=output, highlight=False))


def test_a_step_is_one_line_with_its_duration(plain: Progress, output: io.StringIO) -> None:
    with plain.step("pour the concrete"):
        pass
    assert re.fullmatch(r" +\d+\.\d s  pour the concrete\n", output.getvalue())


def test_a_long_step_says_that_it_goes_on(
    plain: Progress, output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "REMIND", 0.01)
    with plain.step("wait"):
        waiting.until(lambda: "… wait" in output.getvalue(), "a reminder", 5)


def test_a_failed_step_claims_nothing(plain: Progress, output: io.StringIO) -> None:
    with pytest.raises(ZeroDivisionError), plain.total("all"), plain.step("divide"):
        _ = 1 / 0
    assert output.getvalue() == ""


def test_a_terminal_shows_the_step_while_it_runs(output: io.StringIO) -> None:
    terminal = Progress(Console(file=output, force_terminal=True, highlight=False))
    with terminal.step("build"):
        pass
    assert re.search(r"\d\.\d s  build", output.getvalue())


def test_the_dns_is_asked_for_the_address_of_the_api_servers_service() -> None:
    query = dns._query("a.bc")
    assert query[4:12] == b"\x00\x01\x00\x00\x00\x00\x00\x00"
    assert query[12:] == b"\x01a\x02bc\x00\x00\x01\x00\x01"
