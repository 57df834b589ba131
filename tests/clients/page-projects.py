"""Projects on the web page, for their admins: page-projects.py URL FOLDER. See page-projects.t and page_browser.py."""

import re

from page_browser import URL, accessible, all_of, browser, check, choose, click, find, go, has, log_in, picture, run, text, wait


def rows(caption):
    return [line.split("\t") for line in browser.execute_script(
        """return [...document.querySelectorAll(`[aria-label="${arguments[0]}"] tbody tr`)]
            .map(row => [...row.children].map(cell => cell.innerText.trim()).join('\\t'))""", caption)]


def others():
    browser.get(URL + "/#/_projects")
    wait("who has not logged in administers nothing", has("no project that you administer"))
    log_in("dave", "dave-password")
    wait("nor does a developer", lambda: "dave" in text("#account"))
    check(not all_of("#projects"), "... and nothing leads there")
    click("#log-out")
    wait("dave goes", lambda: all_of("#log-in"))


def members():
    log_in("ada", "ada-password")
    wait("an admin finds their project", lambda: all_of("#projects"))
    go("#/_projects")
    wait("... alone", lambda: [node.text for node in all_of("main h2")] == ["team"])
    check("No members were added" in text() and "no robots" in text(), "nobody was added yet")
    accessible("projects-none")
    click("[data-add=team]")
    find("#member-name").send_keys("group:x")
    choose("#member-role", "developer")
    click("dialog button[type=submit]")
    wait("what is no user is refused", lambda: "invalid" in text("dialog .problem"))
    find("#member-name").clear()
    find("#member-name").send_keys("bob")
    click("dialog button[type=submit]")
    wait("a member is added", lambda: [row[:2] for row in rows("Members of team")] == [["bob", "developer (also pushes)"]])


def robots():
    click("[data-robot=team]")
    find("#robot-name").send_keys("ci")
    choose("#robot-role", "developer")
    click("dialog button[type=submit]")
    wait("a robot's token is shown", lambda: re.fullmatch("stl_[A-Za-z0-9_-]{43}", text("#token")))
    check("docker login -u team+ci" in text(), "... with what to do with it")
    check([row[0] for row in rows("Robots of team")] == ["team+ci"], "... and the robot listed", rows("Robots of team"))
    check([row[0] for row in rows("Members of team")] == ["bob", "team+ci"], "... as a member, too", rows("Members of team"))
    accessible("projects")
    picture("projects", 1280, "light")
    picture("projects-phone", 390, "dark")
    click('[aria-label="Robots of team"] button')
    click("dialog button[type=submit]")
    wait("it is revoked", lambda: "no robots" in text() and not all_of("#token"))
    click('[data-remove="bob"]')
    click("dialog button[type=submit]")
    wait("a member is removed", has("No members were added"))


run(others, members, robots)
