"""JupyterLab as somebody uses it who sits before it."""

import re
from pathlib import Path

from playwright.sync_api import Download, Locator, Page, expect

START_SECONDS = 180
"""How long a server's start and its first page may take together."""
RUN_SECONDS = 60
"""How long a kernel's start, or one cell, may take."""

LAUNCHER_TITLES = {"python": "Python 3 (ipykernel)", "r": "R"}
"""What the launcher calls the kernels."""


class Lab:
    """JupyterLab in a page that shows it, or is about to: a hub's page on which a server starts leads there."""

    def __init__(self, page: Page) -> None:
        self._page = page
        opened = "#jp-main-dock-panel .lm-DockPanel-widget:visible"
        page.locator(opened).first.wait_for(timeout=START_SECONDS * 1000)

    def launcher(self) -> list[str]:
        """What can be started: the titles of the launcher's cards."""
        self._open_launcher()
        return [str(card.get_attribute("title")) for card in self._page.locator(".jp-LauncherCard:visible").all()]

    def new_notebook(self, language: str) -> None:
        """Start a notebook from the launcher, and wait for its kernel."""
        self._open_launcher()
        title = LAUNCHER_TITLES[language]
        self._page.click(f".jp-LauncherCard[data-category=Notebook][title='{title}']:visible")
        # The sign beside the kernel's name tells of cells, not of the kernel: it is idle before there is a kernel.
        self._page.get_by_text(f"{title} | Idle", exact=True).wait_for(timeout=RUN_SECONDS * 1000)

    def run(self, code: str) -> str:
        """Type code in the last cell and press Shift+Enter; returns what appears below it."""
        cells = self._notebook.locator(".jp-Cell")
        cell = cells.nth(cells.count() - 1)
        cell.locator(".cm-content").click()
        self._page.keyboard.insert_text(code)
        self._page.keyboard.press("Shift+Enter")
        expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=RUN_SECONDS * 1000)
        return "".join(cell.locator(".jp-OutputArea-output").all_inner_texts())

    def save(self, name: str) -> None:
        """Save what is open for the first time, under a name."""
        self._page.keyboard.press("Control+s")
        dialog = self._page.locator(".jp-Dialog")
        dialog.locator("input[type=text]").fill(name)
        dialog.get_by_role("button", name="Rename and Save").click()
        dialog.wait_for(state="hidden")
        self._file(name).wait_for()

    def write_text(self, name: str, text: str) -> None:
        """Write a text file in an editor."""
        self._open_launcher()
        self._page.click(".jp-LauncherCard[title='Create a new text file']:visible")
        self._page.locator(".jp-FileEditor:visible .cm-content").click()
        self._page.keyboard.insert_text(text)
        self.save(name)

    def outputs(self, name: str) -> str:
        """Open a notebook from the list of files; returns what its cells printed when it was saved."""
        self._file(name).dblclick()
        self._page.locator(".lm-TabBar-tab.lm-mod-current", has_text=name).wait_for()
        shown = self._notebook.locator(".jp-OutputArea-output")
        shown.first.wait_for()
        return "".join(shown.all_inner_texts())

    def download(self, name: str) -> Download:
        """Choose "Download" in a file's menu."""
        self._file(name).click(button="right")
        with self._page.expect_download() as started:
            self._page.get_by_role("menuitem", name="Download", exact=True).click()
        return started.value

    def upload(self, file: Path) -> int:
        """Choose a file of the machine with the button "Upload Files"; returns the server's status."""
        with self._page.expect_file_chooser() as chooser:
            self._page.locator("[title^='Upload Files'], [aria-label^='Upload Files']").first.click()
        with self._page.expect_response(
            lambda answer: answer.request.method == "PUT" and "/api/contents/" in answer.url
        ) as answer:
            chooser.value.set_files(file)
        return answer.value.status

    def dismiss(self) -> str:
        """Close a dialog; returns what it says."""
        dialog = self._page.locator(".jp-Dialog")
        said = dialog.inner_text()
        dialog.get_by_role("button").last.click()
        dialog.wait_for(state="hidden")
        return said

    def ask_for_terminal(self) -> int:
        """Ask the server for a terminal as the launcher's card does; returns its status."""
        return self._asked("api/terminals", "POST")

    def ask_for_file(self, name: str) -> int:
        """Ask the server for a file as "Download" does; returns its status."""
        return self._asked(f"files/{name}", "GET")

    @property
    def _notebook(self) -> Locator:
        return self._page.locator(".jp-NotebookPanel:visible")

    def _asked(self, path: str, method: str) -> int:
        """Status of a request that the page itself makes, with its session."""
        return self._page.evaluate(_REQUEST, [path, method])

    def _file(self, name: str) -> Locator:
        return self._page.locator(".jp-DirListing-item", has_text=name)

    def _open_launcher(self) -> None:
        if not self._page.locator(".jp-Launcher:visible").count():
            self._page.locator("[data-jp-item-name=new-launcher]").click()
        self._page.locator(".jp-Launcher:visible").wait_for()


_REQUEST = """async ([path, method]) => {
  const { baseUrl } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const token = document.cookie.match("_xsrf=([^;]*)");
  const answer = await fetch(baseUrl + path, { method, headers: { "X-XSRFToken": token ? token[1] : "" } });
  return answer.status;
}"""
