"""Members at a real browser: Debian's Chromium, headless, which trusts one authority more and forgives nothing."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Response, sync_playwright

from local import packages
from local.progress import Progress
from tests.e2e.sign_in import Authenticator

PROGRAM = "/usr/bin/chromium"
PACKAGES = ("chromium", "libnss3-tools")
PAGE_SECONDS = 30
"""How long anything on a page may take; a server's start has a wait of its own."""


@dataclass
class Account:
    """What a person knows and carries."""

    email: str
    password: str = field(repr=False)
    """The first one, until the person has set another."""
    app: Authenticator | None = None


class Chromium:
    """A running Chromium; each person gets a window that shares nothing with the others."""

    def __init__(self, browser: Browser, pictures: Path) -> None:
        self._browser, self._pictures = browser, pictures
        self._windows: dict[str, BrowserContext] = {}

    def window(self, person: str) -> "Window":
        """A window without a history; an earlier one of the same person is closed."""
        if earlier := self._windows.pop(person, None):
            earlier.close()
        context = self._browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
        context.set_default_timeout(PAGE_SECONDS * 1000)
        self._windows[person] = context
        return Window(context.new_page(), person, self._pictures)

    def pytest_exception_interact(self, node: pytest.Item) -> None:
        """Photograph every window when a test or one of its fixtures fails; pytest calls this as a plugin's hook."""
        test = re.sub(r"\W+", "-", node.name)
        for person, context in self._windows.items():
            # A window that shows nothing any more must not hide why the test failed.
            with suppress(Error):
                context.pages[0].screenshot(path=self._pictures / f"failed-{test}-{person}.png")


@contextmanager
def chromium(authority: Path, home: Path, pictures: Path) -> Iterator[Chromium]:
    """Run a Chromium for as long as the context lasts.

    Args:
        authority: certificate that it trusts beside the public ones, PEM.
        home: an empty folder for its settings.
        pictures: where screenshots go; those of an earlier run are deleted.
    """
    packages.ensure(Progress(), PACKAGES)
    _trust(authority, home)
    pictures.mkdir(parents=True, exist_ok=True)
    for picture in pictures.glob("*.png"):
        picture.unlink()
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to start as root; the pages are all ours.
        options = ["--no-sandbox"]
        browser = playwright.chromium.launch(
            executable_path=PROGRAM, args=options, env={**os.environ, "HOME": str(home)}
        )
        with browser:
            yield Chromium(browser, pictures)


def _trust(authority: Path, home: Path) -> None:
    """Enter the authority where Chromium looks on Linux (its documentation: linux/cert_management.md)."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    place = ["-d", f"sql:{database}"]
    subprocess.run(["certutil", "-N", *place, "--empty-password"], check=True)
    subprocess.run(["certutil", "-A", *place, "-n", "cloison", "-t", "C,,", "-i", str(authority)], check=True)


@dataclass
class Window:
    """One person's window."""

    page: Page
    _person: str
    _pictures: Path

    def open(self, url: str) -> Response:
        """Go to an address; returns the answer after all redirects."""
        response = self.page.goto(url)
        assert response
        return response

    def photograph(self, station: str) -> None:
        """Take a picture of the whole page."""
        self.page.screenshot(path=self._pictures / f"{station}.png", full_page=True)

    def sign_in(self, account: Account) -> list[str]:
        """Answer what the issuer asks for until it leads back; returns the fields that it asked for."""
        answers = {
            "password": self._password,
            "password-new": self._own_password,
            "totpSecret": self._enrol,
            "otp": self._code,
        }
        asked: list[str] = []
        while "/realms/" in self.page.url:
            fields = [each for each in answers if self.page.locator(f"#{each}").count()]
            assert fields, self.page.inner_text("body")
            asked.append(fields[0])
            self.photograph(f"{self._person}-{len(asked)}-{asked[-1]}")
            with self.page.expect_navigation():
                answers[asked[-1]](account)
        return asked

    def _password(self, account: Account) -> None:
        self.page.fill("#username", account.email)
        self.page.fill("#password", account.password)
        self.page.click("#kc-login")

    def _own_password(self, account: Account) -> None:
        account.password = f"Own-{account.password}-1aA"
        self.page.fill("#password-new", account.password)
        self.page.fill("#password-confirm", account.password)
        self.page.keyboard.press("Enter")

    def _enrol(self, account: Account) -> None:
        account.app = Authenticator(self.page.input_value("#totpSecret"))
        self.page.fill("#totp", account.app.code())
        self.page.fill("#userLabel", "of the tests")
        self.page.click("#saveTOTPBtn")

    def _code(self, account: Account) -> None:
        assert account.app, f"{account.email} has no one-time password yet"
        self.page.fill("#otp", account.app.code())
        self.page.click("#kc-login")
