"""The pages in real Chromium: by the keyboard alone, on a phone and on a desk, in light and dark."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page

from tests.fixtures.chromium import DESKTOP, PHONE, chromium_page, tab_to, width_over
from tests.fixtures.pages import PASSWORD, Clinic, SmartApp, serving

VIEWS: dict[str, dict[str, Any]] = {
    "phone": {"viewport": PHONE, "has_touch": True},
    "desktop": {"viewport": DESKTOP},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark"},
    "desktop-dark": {"viewport": DESKTOP, "color_scheme": "dark", "reduced_motion": "reduce"},
}


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """A way to look at the pages."""
    name: str = request.param
    return name, VIEWS[name]


class Looked:
    """Looks at a page: keeps a picture, and checks what every page must be."""

    def __init__(self, page: Page, directory: Path) -> None:
        self._page, self._directory = page, directory
        self.violations: list[str] = []
        page.on("console", lambda message: self.violations.append(message.text))

    def at(self, name: str) -> None:
        """Keep the picture under this name."""
        self._page.screenshot(path=self._directory / f"{name}.png", full_page=True)
        assert width_over(self._page) <= 0, f"{name} is wider than the window"
        assert self._page.locator("html").get_attribute("lang") == "en"
        assert self._page.locator("main").count() == self._page.locator("h1").count() == 1
        unnamed = "input:not([type=hidden])"
        for field in self._page.locator(unnamed).all():
            assert field.evaluate("field => field.labels.length") == 1, f"{name} has a field without a label"


def test_a_whole_launch_by_keyboard(
    clinic: Clinic, app_site: str, view: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    app = clinic.add_app(redirect_uri=f"{app_site}/callback")
    clinic.add_clients(*((f"p{number:02d}", "Ana Maria", f"Oyelaran-{number}") for number in range(25)))
    with chromium_page(**view[1]) as page:
        looked = Looked(page, tmp_path)
        page.goto(app.address())
        looked.at("1-sign-in")
        page.keyboard.type("clinician")
        tab_to(page, "#password")
        page.keyboard.type("not the password")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]")
        looked.at("2-refused")
        assert page.evaluate("document.activeElement.id") == "password"
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("input[name=patient]")
        looked.at("3-choose")
        tab_to(page, "#search")
        page.keyboard.type("castellanos")
        page.keyboard.press("Enter")
        page.wait_for_selector("legend:has-text('Clients found')")
        tab_to(page, "input[name=patient]")
        page.keyboard.press("Space")
        looked.at("4-found")
        page.keyboard.press("Tab")
        tab_to(page, ".actions button:not(.plain)")
        page.keyboard.press("Enter")
        page.wait_for_selector("button[value=allow]")
        looked.at("5-consent")
        tab_to(page, "summary")
        page.keyboard.press("Enter")
        looked.at("6-parts")
        tab_to(page, "button[value=allow]")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{app_site}/callback?**")
        returned = parse_qs(urlsplit(page.url).query)
        page.goto(f"{clinic.server.url}/app/apps")
        looked.at("7-apps")
        tab_to(page, "button[name=revoke]")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=status]")
        looked.at("8-taken-back")
        tab_to(page, "button[name=leave]")
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('signed out')")
        looked.at("9-left")
        page.goto(f"{clinic.server.url}/oauth/authorize/none")
        looked.at("10-error")
    assert returned["state"] == [app.state]
    assert returned["code"][0].startswith(f"bhr_code_{clinic.tenant}_")
    # The refused sign-in and the last page are errors on purpose; nothing was blocked.
    assert [told for told in looked.violations if "status of 401" not in told and "status of 410" not in told] == []


def test_a_page_prints_without_its_buttons(clinic: Clinic, app: SmartApp) -> None:
    with chromium_page(viewport=DESKTOP) as page:
        page.goto(app.address())
        page.emulate_media(media="print")
        assert not page.locator("button").first.is_visible()
        assert page.locator("h1").is_visible()


def test_another_site_cannot_frame_a_page(clinic: Clinic, app: SmartApp) -> None:
    frame = f'<!doctype html><iframe src="{app.address().replace("&", "&amp;")}"></iframe>'
    # On loopback as well: pages from elsewhere Chromium keeps from loading anything of this machine, whatever its headers.
    with serving({"/": frame.encode()}) as evil, chromium_page(viewport=DESKTOP) as page:
        page.goto(evil)
        page.wait_for_timeout(500)
        assert len(page.frames) == 2
        assert all(frame.locator("#username").count() == 0 for frame in page.frames)


def test_another_site_cannot_send_a_form(clinic: Clinic, app: SmartApp) -> None:
    """The session's cookie does not travel with other sites' forms, and their form has no token."""
    with chromium_page(viewport=DESKTOP) as page:
        page.goto(f"{clinic.server.url}/app/sign-in?tenant={clinic.tenant}")
        page.fill("#username", "clinician")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/app/apps")
        target = f"{clinic.server.url}/app/sign-out"
        form = f'<!doctype html><form method="post" action="{target}"><input name="csrf" value="x"></form>'
        page.route("https://evil.example/", lambda route: route.fulfill(content_type="text/html", body=form))
        page.goto("https://evil.example/")
        page.evaluate("document.forms[0].submit()")
        page.wait_for_url(target)
        assert "Nothing was changed" in page.content()
        page.goto(f"{clinic.server.url}/app/apps")
        assert "Signed in as clinician" in page.content()
