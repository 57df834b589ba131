"""What the tests of the web page share: headless Chromium, and lines of TAP, without numbers, for each check. The script is called
with URL FOLDER ...; FOLDER gets pictures. With AXE, a copy of axe-core, each view also has to pass that."""

import base64
import os
import re
import sys
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

URL, FOLDER = sys.argv[1:3]
HOST = URL.split("//")[1]
PATIENCE = 120  # seconds, on a machine that has much else to do


def start():
    options = Options()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 "--disable-extensions", "--window-size=1280,900", "--disable-background-networking", "--no-first-run", "--lang=en-GB"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


browser = start()
browser.set_script_timeout(PATIENCE)


def check(good, what, why=""):
    print(("ok " if good else "not ok ") + what, flush=True)
    if not good:
        print(f"# {why}"[:1500].replace("\n", "\n# "), flush=True)


def wait(what, probe):
    """Waits until `probe` returns something true; that is a check."""
    end, got = time.monotonic() + PATIENCE, None
    while time.monotonic() < end:
        try:
            got = probe()
        except Exception as error:  # an element that is just being replaced
            got = None
            why = error
        if got:
            break
        time.sleep(0.03)
    check(got, what, text() + f"\n{browser.current_url}")
    return got


def find(selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def all_of(selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def text(selector="main"):
    """What is in the document, also in columns that are out of sight."""
    return browser.execute_script("return document.querySelector(arguments[0])?.innerText || ''", selector)


def has(*words):
    return lambda: all(word in text() for word in words)


def go(address):
    browser.execute_script("location.hash = arguments[0]", address)


def column(n):
    return browser.execute_script(
        "return [...document.querySelectorAll('.rows tbody tr:not(.space)')].map(row => row.children[arguments[0]].innerText.trim())", n)


def type_into(selector, word):
    field = find(selector)
    field.clear()
    field.send_keys(word, Keys.NULL)
    if not word:
        field.send_keys("x", Keys.BACKSPACE)


def on(selector, what, *arguments):
    """Waits for the element `e`, and does that in one step: rows are drawn anew whenever something is learnt about them."""
    script = f"const e = document.querySelector(arguments[0]); if (!e || e.disabled) return false; {what}; return true"
    end = time.monotonic() + PATIENCE
    while not browser.execute_script(script, selector, *arguments):
        if time.monotonic() > end:
            raise RuntimeError(f"there is no {selector}")
        time.sleep(0.03)


def click(selector):
    on(selector, "e.click()")


def sort_by(n):
    browser.execute_script("document.querySelectorAll('.rows thead button')[arguments[0]].click()", n)


def open_attached():
    browser.execute_script("document.querySelectorAll('.attached button').forEach(button => button.click())")


def choose(selector, value):
    on(selector, "e.value = arguments[1]; e.dispatchEvent(new Event('change'))", value)


def log_in(user, password):
    click("#log-in")
    find("#user").send_keys(user)
    find("#password").send_keys(password)
    click("dialog button[type=submit]")


def emulate(theme):
    """Without motion: what is half-way between two colours has no colour to look at."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
        {"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]})


def picture(name, width, theme, height=None):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": height or 900, "deviceScaleFactor": 1, "mobile": False})
    emulate(theme)
    wide, tall = browser.execute_script(
        "const root = document.documentElement, sheet = document.querySelector('.sheet');"
        "return [root.scrollWidth + (sheet ? sheet.scrollWidth - sheet.clientWidth : 0), document.querySelector('.many') ? 900 : root.scrollHeight]")
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {
        "x": 0, "y": 0, "width": width, "height": min(tall, 3000), "scale": 1}})
    with open(os.path.join(FOLDER, f"{name}-{width}-{theme}.png"), "wb") as file:
        file.write(base64.b64decode(shot["data"]))
    return wide <= width


AXE = open(os.environ["AXE"], encoding="utf-8").read() if os.environ.get("AXE") else None


def accessible(name):
    """In both themes, as far as axe-core can tell."""
    if AXE and not browser.execute_script("return Boolean(window.axe)"):
        browser.execute_script(AXE + "; window.axe = axe")
    for theme in ("light", "dark") if AXE else ():
        emulate(theme)
        found = browser.execute_async_script("axe.run().then(arguments[0])")["violations"]
        check(not found, f"{name}: accessible, {theme}", "\n".join(f"{one['id']}: {node['html'][:300]}" for one in found for node in one["nodes"][:5]))


def pictures(name):
    """Every width and theme; nothing may be wider than the window."""
    accessible(name)
    wide = [f"{width} {theme}" for width in (360, 768, 1440) for theme in ("light", "dark") if not picture(name, width, theme)]
    check(not wide, f"{name}: fits every window", wide)
    stray = [word for word in ("[object", "undefined", "NaN", "Invalid Date") if word in text("body")]
    check(not stray, f"{name}: has words, not what programs say", stray)
    picture(name, 1280, "light")


def complaints():
    """What the browser has to say: but for answers that are errors on purpose, nothing."""
    entries = [entry["message"] for entry in browser.get_log("browser") if "Failed to load resource" not in entry["message"]]
    check(not entries, "the browser has nothing to complain about", "\n".join(entries))
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
    check(asked and all(name.startswith(URL + "/") for name in asked), "nothing was asked of another host", asked)


def run(*parts):
    """Does all parts, and ends the browser in any case."""
    try:
        for part in parts:
            part()
        complaints()
    finally:
        browser.quit()
