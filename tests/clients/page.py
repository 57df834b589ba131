"""The web page in headless Chromium: page.py URL FOLDER. Prints a line of TAP, without a number, for each check. FOLDER gets
pictures of every view. With AXE, a copy of npm's axe-core/axe.min.js, each view also has to pass that. See page.t."""

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


def start():
    options = Options()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 "--disable-extensions", "--disable-background-networking", "--no-first-run", "--lang=en-GB"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


browser = start()


def check(good, what, why=""):
    print(("ok " if good else "not ok ") + what, flush=True)
    if not good:
        print(f"# {why}"[:1500].replace("\n", "\n# "), flush=True)


def wait(what, probe):
    """Waits until `probe` returns something true; that is a check."""
    end, got = time.monotonic() + 20, None
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
    end = time.monotonic() + 20
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


def picture(name, width, theme, height=None):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": height or 900, "deviceScaleFactor": 1, "mobile": False})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
        {"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]})
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
    for theme in ("light", "dark") if AXE else ():
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
        browser.execute_script(AXE + "; window.axe = axe")
        found = browser.execute_async_script("axe.run().then(arguments[0])")["violations"]
        check(not found, f"{name}: accessible, {theme}", "\n".join(f"{one['id']}: {node['html'][:300]}" for one in found for node in one["nodes"][:5]))


def pictures(name):
    """Every width and theme; nothing may be wider than the window."""
    accessible(name)
    wide = [f"{width} {theme}" for width in (360, 768, 1440) for theme in ("light", "dark") if not picture(name, width, theme)]
    check(not wide, f"{name}: fits every window", wide)
    picture(name, 1280, "light")


def nobody():
    browser.get(URL + "/")
    wait("who is not logged in sees what is public", has("hello", "many", "evil", "web"))
    check("team" not in text(), "... and nothing else", text())
    check(browser.title == "Images of Example", "the title is that of registry.yaml", browser.title)
    wait("with the number of tags", lambda: "301" in column(1))
    wait("and sizes", lambda: any(re.search(r"\d (B|KB)$", size) for size in column(3)))
    go("#/team/app")
    wait("a private repository looks like one that does not exist", has("nothing here"))
    private = text()
    go("#/team/none")
    wait("... to the letter", lambda: text() == private)
    go("#/")
    wait("back in the list", has("hello"))


def logging_in():
    log_in("alice", "wrong")
    wait("a wrong password is refused", lambda: "does not accept" in text("dialog"))
    find("#password").clear()
    find("#password").send_keys("alice-password")
    click("dialog button[type=submit]")
    wait("the right one shows what is private", lambda: "team" in text() and "alice" in text("#account"))
    stored = browser.execute_script("return [localStorage.length, sessionStorage.length, document.cookie.length]")
    check(stored == [0, 0, 0], "nothing is kept but in memory", stored)


def registry():
    pictures("registry")
    click("[data-focus=public]")
    wait("a folder is shut", lambda: "hello" not in text())
    click("[data-focus=public]")
    wait("... and opened", has("hello"))
    find("body").send_keys("/")
    check(browser.switch_to.active_element.get_attribute("id") == "search", "/ leads to the search")
    type_into("#search", "te ap")
    wait("a search shows what has all its words", lambda: column(0) == ["team/app"])
    type_into("#search", "nothing such")
    wait("... or that there is nothing", has("Nothing matches"))
    type_into("#search", "")
    choose("#order", "tags")
    wait("most tags first", lambda: column(0)[:2] == ["public/many", "team/app"])
    choose("#order", "name")


def repository():
    go("#/team/app")
    wait("a repository shows its tags", lambda: any(line.startswith("1.10.0\n") for line in column(0)))
    wait("with platforms, time and size", lambda: any("linux/amd64, linux/arm64" in line for line in column(2)))
    wait("with what is attached", lambda: any(all(word in line for word in ("signed", "SBOM", "provenance", "scan")) for line in column(6)))
    check("1.10.0\n1.10\nlatest" in column(0), "tags of one image are together", column(0))
    pictures("repository")
    click("#group")
    wait("... or one by one", lambda: len(column(0)) == 6)
    sort_by(0)
    wait("by version, the newest first", lambda: column(0) == ["1.10.0", "1.10", "1.10.0-rc.1", "1.9.0", "1.2.0", "latest"])
    check(all_of(".rows thead th")[0].get_attribute("aria-sort") == "ascending", "the heading says so")
    sort_by(0)
    wait("and the other way round", lambda: column(0)[:2] == ["latest", "1.2.0"])
    sort_by(2)
    wait("by age", lambda: "1.10.0-rc.1" in column(0)[3:])
    type_into("#search", "rc")
    wait("a filter", lambda: column(0) == ["1.10.0-rc.1"])
    type_into("#search", "")
    click("#group")
    check(text("#pull") == f"docker pull {HOST}/team/app:latest", "a command to pull", text("#pull"))
    choose("#client", "podman")
    choose("#by", "digest")
    check(re.fullmatch(f"podman pull {HOST}/team/app@sha256:[0-9a-f]{{64}}", text("#pull")), "... for another client, by digest", text("#pull"))
    browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    command = text("#pull")
    click(".command .copy")
    wait("copying says so", lambda: text("#live") == "Copied")
    copied = browser.execute_async_script("navigator.clipboard.readText().then(arguments[0], e => arguments[0](String(e)))")
    check(copied == command, "and copies", copied)
    choose("#client", "docker")
    choose("#by", "tag")


def many():
    go("#/public/many")
    wait("301 tags of one image are one row", lambda: len(column(0)) == 1 and "301 tags" in text())
    click("#group")
    wait("301 rows are not all drawn", lambda: 10 < len(column(0)) < 100)
    browser.execute_script("scrollTo(0, document.body.scrollHeight)")
    wait("the last are drawn when they are in view", lambda: all_of("[aria-rowindex='302']"))
    browser.execute_script("scrollTo(0, 0)")
    wait("... and the first again", lambda: all_of("[aria-rowindex='2']"))
    pictures("many")
    click("#group")


def image():
    browser.get(f"{URL}/#/team/app:1.10.0")
    browser.refresh()
    wait("an address leads to what is private only after a log-in", has("nothing here"))
    log_in("alice", "alice-password")
    wait("a deep link survives", has("Image for several platforms", "/usr/bin/app", "--port 8080", "1001", "8080/tcp", "/data", "MODE=new"))
    check("COPY base / # buildkit" in text(), "layers have their commands", text())
    check(find("a[href='https://git.example.org/team/app']").get_attribute("rel") == "noopener noreferrer nofollow", "addresses are links that tell nothing")
    wait("what is attached is told apart", has("SBOM", "Signature", "Scan result", "Provenance"))
    open_attached()
    wait("the SBOM's packages are counted", has("300 packages", "lib0", "MIT"))
    wait("the findings, too", has("5 findings", "high 2", "low 3", "CVE-2026-1"))
    wait("who built it from what", has("https://ci.example.org", "c0ffee"))
    wait("a signature is no document", has("It is no JSON document"))
    type_into(".document input", "lib299")
    wait("packages are searched", lambda: "1 package" in text(".document .scroll caption") and "lib299" in text(".document"))
    pictures("image")
    click("[data-focus='linux/arm64']")
    wait("another platform", lambda: find("[data-focus='linux/arm64']").get_attribute("aria-pressed") == "true")
    choose("#compare", "1.9.0")
    wait("two tags are compared", has("Compare:", "→", "1.9.0", "Only in the first", "In both", "MODE", "EXTRA"))
    pictures("compare")
    go("#/public/charts/web:1.2.3")
    wait("a chart is shown as one", has("Helm chart", "Serves pages", "Ada", f"helm pull oci://{HOST}/public/charts/web --version 1.2.3"))
    pictures("chart")


def hostile():
    go("#/")
    wait("a hostile description is text", lambda: any("<img src=x onerror=" in name for name in column(0)))
    go("#/public/evil")
    wait("... in its repository, too", lambda: "<script>" in text(".description"))
    check(not all_of("main img, main script"), "... and no markup")
    pictures("evil")
    go("#/public/evil:v1")
    wait("hostile names and values are text", lambda: text().count("<img src=x onerror=") >= 4)
    wait("... with what is attached", lambda: len(all_of(".attached button")) == 3)
    open_attached()
    wait("broken documents are said to be broken", lambda: text().count("It is no JSON document") == 2)
    wait("odd ones are shown as far as they go", has("4 packages"))
    check(not all_of("main img, main script, a[href^='javascript']"), "none of it is markup or a link")
    pictures("hostile")
    for address in ("#/public/evil:odd", "#/public/evil"):
        go(address)
        wait(f"{address} is shown, too", lambda: "evil" in text() and "Loading" not in text())
    for address in ("#/../x", "#/A", "#/x:<script>", "#/public/evil@sha256:1", "#" + "x" * 3000):
        go(address)
        wait(f"{address[:25]} leads nowhere", has("nothing here"))
    check("pwned" not in browser.title, "nothing has run", browser.title)


def managing():
    """Repositories as things of their own."""
    go("#/")
    wait("who may can create repositories", lambda: find("#create-repository"))
    wait("what there is has a description", lambda: any("Says hello" in name for name in column(0)))
    type_into("#search", "says")
    wait("... that is searched, too", lambda: [name.split("\n")[0] for name in column(0)] == ["public/hello"])
    type_into("#search", "")
    click("#create-repository")
    accessible("create")
    picture("create", 1280, "light")
    picture("create", 360, "dark")
    find("#repository").send_keys("Made")
    click("dialog button[type=submit]")
    wait("an impossible name is refused", lambda: "A name has a-z" in text("dialog"))
    find("#repository").clear()
    find("#repository").send_keys("public/made")
    click("dialog button[type=submit]")
    wait("... and what a rule forbids, with the rule", lambda: "registry.yaml" in text("dialog"))
    find("#repository").clear()
    find("#repository").send_keys("made/web")
    find("#description").send_keys("The web <b>server</b>")
    click("dialog input[value=public]")
    click("dialog button[type=submit]")
    wait("a repository is created", lambda: "made/web" in text("h1") and text(".description") == "The web <b>server</b>")
    wait("it is public", lambda: text("#visibility") == "Public")
    wait("its quota is shown", lambda: "0 B of 20 MB" in text("#usage") and "0 of 5" in text("#usage"))
    check(f"docker push {HOST}/made/web:latest" in text(), "it says how to push the first image", text())
    pictures("created")
    click("#edit-repository")
    wait("what it says can be changed", lambda: find("#description").get_attribute("value") == "The web <b>server</b>")
    find("#description").clear()
    find("#description").send_keys("Changed")
    click("dialog input[value=private]")
    accessible("edit")
    picture("edit", 1280, "dark")
    click("dialog button[type=submit]")
    wait("... in one step", lambda: text(".description") == "Changed" and text("#visibility") == "Private")
    go("#/public/hello")
    wait("where a rule decides", lambda: "hello" in text("h1") and find("#edit-repository"))
    click("#edit-repository")
    wait("... visibility cannot be chosen", lambda: "A rule of the registry" in text("dialog") and not find("dialog input[type=radio]").is_enabled())
    find("dialog button[type=button]").click()
    go("#/made/web")
    wait("a repository can be deleted", lambda: "made/web" in text("h1") and find("#delete-repository"))
    click("#delete-repository")
    find("#confirm").send_keys("made/we")
    click("dialog button[type=submit]")
    wait("... not by its wrong name", lambda: "not its name" in text("dialog"))
    find("#confirm").send_keys("b")
    picture("delete-repository", 1280, "light")
    click("dialog button[type=submit]")
    wait("... by its name", lambda: "hello" in text() and "made" not in text() and find("#search"))


def changing():
    go("#/team/app")
    wait("who may push can set a tag", lambda: find("#add-tag"))
    click("#add-tag")
    choose("#tag-source", "1.9.0")
    find("#tag-target").send_keys("no tag")
    click("dialog button[type=submit]")
    wait("an impossible one is refused", lambda: "A tag has letters" in text("dialog"))
    find("#tag-target").clear()
    find("#tag-target").send_keys("stable")
    click("dialog button[type=submit]")
    wait("the tag is there", lambda: any("stable" in line for line in column(0)))
    for tag in ("1.2.0", "1.10.0-rc.1"):
        click(f"[data-focus='select {tag}']")
    click("#delete-tags")
    wait("what will go is said", lambda: "1.2.0" in text("dialog") and "2 images lose their last tag" in text("dialog"))
    accessible("delete")
    picture("delete", 1280, "light")
    click("dialog button[type=submit]")
    wait("several tags are deleted", lambda: not any("1.2.0" in line or "rc" in line for line in column(0)) and "Deleted 2 tags" in text("#live"))
    wait("... which can be undone", lambda: "Deleted 2 tags" in text(".notice"))
    accessible("undo")
    picture("undo", 1280, "light")
    click("#undo")
    wait("then they are back", lambda: all(any(tag in line for line in column(0)) for tag in ("1.2.0", "rc.1")))
    check(not all_of(".notice"), "... and nothing is left to undo")
    click("[data-focus='select 1.2.0']")
    click("#delete-tags")
    click("dialog button[type=submit]")
    wait("a tag is deleted again", lambda: not any("1.2.0" in line for line in column(0)) and all_of(".notice"))
    go("#/")
    wait("the reader goes elsewhere", has("hello"))
    go("#/team/app")
    wait("... and comes back", lambda: all_of("#restore-tags"))
    check(not all_of(".notice"), "the offer is gone")
    click("#restore-tags")
    wait("but the trash has the tag", lambda: "1.2.0" in text("dialog"))
    click("dialog input[value='1.2.0']")
    accessible("restore")
    picture("restore", 1280, "light")
    click("dialog button[type=submit]")
    wait("... and gives it back", lambda: any("1.2.0" in line for line in column(0)))
    managing()
    go("#/public/hello")
    wait("elsewhere, too, for alice", lambda: find("#delete-tags"))
    click("#log-out")
    wait("after logging out, there is nothing to change", lambda: all_of("#log-in") and "hello" in text("h1") and not all_of("#add-tag, #delete-tags, #edit-repository, #restore-tags"))
    go("#/team/app")
    wait("and what is private is gone", has("nothing here"))


def without_details():
    log_in("alice", "alice-password")
    wait("a registry without details", has("1.10.0"))
    wait("asks for the manifests of the tags in view", lambda: any("linux/amd64, linux/arm64" in line for line in column(2)))
    check(any("signed" not in line for line in column(6)), "... and leaves out what it would have to search")
    go("#/")
    wait("and lists the names", has("hello", "app"))


def everybody():
    """A registry without users, before and after its first image."""
    browser.get(URL + "/")
    wait("an empty registry says how to push", has("No images yet", f"docker push {HOST}/hello:latest", "stillage add"))
    check("docker login" not in text() and not all_of("#log-in"), "... and that nobody has to log in", text())
    pictures("empty")
    input()
    browser.refresh()
    wait("after the first push, the image is there", has("hello", "1 repository"))
    go("#/hello")
    wait("with its tag", lambda: [line.split("\n")[0] for line in column(0)] == ["v1"] and column(3)[0].endswith(" MB"))
    click("[data-focus='select v1']")
    click("#delete-tags")
    wait("what will go is said", lambda: "1 image loses its last tag" in text("dialog"))
    click("dialog button[type=submit]")
    wait("everybody may delete it", has("no tags"))


def tutorial(pushed):
    """See tutorial.t, which follows the commands and makes the file `pushed`."""
    browser.get(URL + "/")
    wait("an empty registry", has("No images yet"))
    check(not all_of("#create-repository"), "who has not logged in cannot create anything")
    log_in("alice", "alice-password")
    wait("alice can", lambda: find("#create-repository"))
    click("#create-repository")
    find("#repository").send_keys("getting-started")
    find("#description").send_keys("What the tutorial makes")
    click("dialog input[value=public]")
    click("dialog button[type=submit]")
    wait("the repository is there, and empty", has("getting-started", "What the tutorial makes", "This repository is empty"))
    for code in all_of(".command code"):
        print("run " + code.text, flush=True)
    end = time.monotonic() + 240
    while not os.path.exists(pushed) and time.monotonic() < end:
        time.sleep(0.1)
    browser.refresh()
    wait("after a refresh, the tag is there", lambda: [line.split("\n")[0] for line in column(0)] == ["latest"])
    wait("with platform and size", lambda: column(2) == ["linux/amd64"] or column(2) == ["linux/arm64"])
    check(text("#pull") == f"docker pull {HOST}/getting-started:latest", "and how to pull it", text("#pull"))
    picture("tutorial", 1280, "light")
    go("#/getting-started:latest")
    wait("the image tells what it is", has("GREETING=hello", "/hello"))


def complaints():
    """What the browser has to say: but for answers that are errors on purpose, nothing."""
    entries = [entry["message"] for entry in browser.get_log("browser") if "Failed to load resource" not in entry["message"]]
    check(not entries, "the browser has nothing to complain about", "\n".join(entries))


try:
    if sys.argv[3:4] == ["tutorial"]:
        tutorial(sys.argv[4])
    elif sys.argv[3:] == ["open"]:
        everybody()
    elif sys.argv[3:] == ["without"]:
        browser.get(URL + "/#/team/app")
        wait("the page is there", has("nothing here"))
        without_details()
    else:
        for part in (nobody, logging_in, registry, repository, many, image, hostile, changing):
            part()
    complaints()
finally:
    browser.quit()
