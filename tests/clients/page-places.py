"""The web page wherever it is served: page-places.py URL FOLDER changes|reads|flat|bundle, a few checks of each view. See page-places.t and
page_browser.py.

changes: stillage.cgi answers, and alice may change things; reads: there are private repositories, but nothing can be changed; flat:
there is nothing but files, and everybody may read them; bundle: these do not know when an image was pushed."""

import sys

from page_browser import URL, all_of, browser, check, choose, click, column, find, go, has, log_in, open_attached, run, sort_by, text, type_into, wait

PLACE = sys.argv[3]
CLOSED = PLACE in ("changes", "reads")
known = "—".__ne__


def registry():
    browser.get(URL + "/")
    wait("the registry", lambda: "hello" in text() and any("Says hello" in name for name in column(0)))
    wait("... with its own logo", lambda: browser.execute_script("return document.querySelector('.brand img[src=\"ours.png\"]').naturalWidth"))
    check(browser.execute_script("return getComputedStyle(document.querySelector('.rows a')).color") == "rgb(122, 31, 92)", "... and its own accent")
    check(("team" in text()) == (not CLOSED), "... with what everybody may see", text())
    wait("... tags are counted", lambda: "2" in column(1))
    type_into("#search", "says")
    wait("... is searched by its descriptions", lambda: [name.split("\n")[0] for name in column(0)] == ["public/hello"])
    type_into("#search", "")
    choose("#order", "tags")
    wait("... and sorted", lambda: column(0)[0].startswith("public/built" if CLOSED else "team/app"))
    choose("#order", "name")


def private():
    go("#/team/app")
    if not CLOSED:
        return
    wait("what is private is not there", has("nothing here"))
    log_in("alice", "wrong")
    wait("... with a wrong password", lambda: "does not accept" in text("dialog"))
    find("#password").clear()
    find("#password").send_keys("alice-password")
    click("dialog button[type=submit]")


def repository():
    wait("a repository has a description", lambda: "team/app" in text("h1") and text(".description") == "What the team makes")
    wait("... and platforms", lambda: any("linux/amd64, linux/arm64" in line for line in column(2)))
    wait("... with what is attached", lambda: any(all(word in line for word in ("signed", "SBOM", "provenance", "scan")) for line in column(6)))
    check(any(map(known, column(4))) and (PLACE == "bundle" or all(map(known, column(5)))), "... and times", column(4) + column(5))
    click("#group")
    sort_by(0)
    wait("... sorted by version", lambda: column(0) == ["1.10.0", "1.10", "1.10.0-rc.1", "1.9.0", "1.2.0", "latest"])
    type_into("#search", "rc")
    wait("... filtered", lambda: column(0) == ["1.10.0-rc.1"])
    type_into("#search", "")
    click("#group")
    if PLACE == "changes":
        wait("who may can change it", lambda: all(all_of(f"#{what}") for what in ("add-tag", "delete-tags", "edit-repository")))
    else:
        check(not all_of("#add-tag, #delete-tags, #edit-repository, #restore-tags"), "nothing can be changed here")


def image():
    go("#/team/app:1.10.0")
    if CLOSED:  # an address that somebody was sent
        browser.refresh()
        wait("a deep link leads there after the log-in", lambda: all_of("#log-in") and "nothing here" in text())
        log_in("alice", "alice-password")
    wait("an image", has("Image for several platforms", "/usr/bin/app", "8080/tcp", "COPY base"))
    wait("... with what is attached", lambda: all(word in text() for word in ("SBOM", "Signature", "Scan result", "Provenance")))
    open_attached()
    wait("... which is read", has("300 packages", "5 findings", "c0ffee"))
    choose("#compare", "1.9.0")
    wait("two of them", has("Compare:", "1.9.0", "In both", "MODE"))
    go("#/public/charts/web:1.2.3")
    wait("a chart", has("Helm chart", "Serves pages"))


def strangers():
    go("#/public/evil:v1")
    wait("what strangers write is text", lambda: text().count("<img src=x onerror=") >= 4 and len(all_of(".attached button")) == 3)
    open_attached()
    wait("... also if it is broken", lambda: text().count("This is not a JSON document") == 2)
    check(not all_of("main img, main script") and "pwned" not in browser.title, "nothing of it runs", browser.title)
    go("#/public/none")
    wait("what does not exist", has("nothing here"))


def changes():
    if PLACE != "changes":
        return
    go("#/public/hello")
    wait("tags of one image are deleted", lambda: find("[data-focus='select 1.0']"))
    click("[data-focus='select 1.0']")
    click("#delete-tags")
    click("dialog button[type=submit]")
    wait("... and brought back", lambda: all_of("#undo"))
    click("#undo")
    wait("... with one click", lambda: not all_of(".notice") and any("latest" in line for line in column(0)))
    click("#edit-repository")
    find("#description").send_keys("!")
    click("dialog button[type=submit]")
    wait("a description is changed", lambda: text(".description") == "Says hello!")
    click("#log-out")
    wait("after logging out, nothing can be", lambda: all_of("#log-in") and not all_of("#delete-tags, #edit-repository"))


run(registry, private, repository, image, strangers, changes)
