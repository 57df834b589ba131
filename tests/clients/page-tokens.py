"""A user's own tokens on the web page: page-tokens.py URL FOLDER. See page-tokens.t and page_browser.py."""

import re
import sys

from page_browser import (HOST, URL, accessible, all_of, browser, check, choose, click, find, go, has, log_in, picture, pictures, run, text,
                          type_into, wait)

EVIL = '<img src=x onerror="document.title=\'pwned\'">'
# As another site would do it: a form needs no permission of the server.
FORM = """const done = arguments[arguments.length - 1];
fetch(arguments[0] + "/v2/_token", { method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams(arguments[1]) })
  .then(answer => done(answer.type), error => done(String(error)))"""
# With what the page itself has. Answers with the status.
OWN = """const done = arguments[arguments.length - 1];
fetch("/v2/_token", { method: "POST", credentials: "omit", body: new URLSearchParams(arguments[0]) }).then(answer => done(answer.status), error => done(String(error)))"""


def rows():
    return [line.split("\t") for line in browser.execute_script(
        "return [...document.querySelectorAll('main tbody tr')].map(row => [...row.children].map(cell => cell.innerText.trim()).join('\\t'))")]


def nobody():
    browser.get(URL + "/#/_tokens")
    wait("who is not logged in has no tokens", has("nothing here"))
    check(not all_of("#tokens"), "... and no way to them")


def making():
    log_in("alice", "alice-password")
    wait("a deep link leads to them after the log-in", has("Access tokens", "You have no tokens"))
    check(find("#tokens").get_attribute("href") == f"{URL}/#/_tokens", "... as the head of the page does")
    accessible("tokens-none")
    picture("tokens-none", 1280, "light")
    click("#create-token")
    lives = [option.text for option in all_of("#token-expires option")]
    check(lives == ["7 days", "30 days"], "none may live longer than registry.yaml says", lives)
    find("#token-name").send_keys(EVIL)
    type_into("#token-repository", "Team")
    click("dialog button[type=submit]")
    wait("an impossible pattern is refused", lambda: text("dialog .problem") != "")
    type_into("#token-repository", "team/**")
    click("dialog input[value=pull]")
    click("dialog button[type=submit]")
    wait("a token may do something", lambda: "Choose what" in text("dialog"))
    click("dialog input[value=pull]")
    click("dialog input[value=push]")
    pictures("token-create")
    click("dialog button[type=submit]")
    wait("the token is shown", lambda: re.fullmatch("stl_[A-Za-z0-9_-]{43}", text("#token")))
    token = text("#token")
    wait("and listed", lambda: len(rows()) == 1)
    row = rows()[0]
    check(row[:3] == [EVIL, "team/**", "pull, push"], "... with name, repositories and rights", row)
    check(row[3] == "now" and row[4] == "never" and row[5] == "next week" or row[5] == "in 7 days", "... and times", row)
    check(not all_of("main img") and "pwned" not in browser.title, "a hostile name is text")
    check(f"docker login -u alice {HOST}" in text(), "it says what to do with it")
    pictures("tokens")
    click("#create-token")
    find("#token-name").send_keys("second")
    choose("#token-expires", "2592000")
    click("dialog button[type=submit]")
    wait("one after the other", lambda: len(rows()) == 2 and text("#token") not in ("", token))
    go("#/")
    wait("the reader goes elsewhere", has("app"))
    go("#/_tokens")
    wait("and comes back", lambda: len(rows()) == 2)
    check(not all_of("#token") and "stl_" not in browser.page_source, "no token is shown a second time")
    stored = browser.execute_script("return [localStorage.length, sessionStorage.length, document.cookie.length]")
    check(stored == [0, 0, 0], "... or kept but in memory", stored)
    return token


def using(token):
    """It is a password, for what it is for, and opens no tokens."""
    click("#log-out")
    wait("after logging out, they are gone", has("nothing here"))
    log_in("alice", token)
    wait("the token is a password", lambda: "alice" in text("#account"))
    check(not all_of("#tokens"), "... but not for tokens")
    wait("which says so", has("only with the password of a user"))
    click("#log-out")
    wait("out again", lambda: all_of("#log-in"))
    log_in("alice", "alice-password")
    wait("with the password, it was used", lambda: any(row[1] == "team/**" and row[4] == "now" for row in rows()))


def attacks():
    first = find("main button[data-token]").get_attribute("data-token")
    form = {"grant_type": "password", "username": "alice", "token": "create", "scope": "repository:**:pull,push"}
    here = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(f"http://localhost:{HOST.split(':')[1]}/v2/")
    for what in ({}, {"password": ""}, {"password": "wrong"}, {"token": "rm", "id": first}):
        answer = browser.execute_async_script(FORM, URL, {**form, **what})
        check(answer == "opaque", f"another site sends a form: {what or 'no password'}", answer)
    browser.close()
    browser.switch_to.window(here)
    go("#/")
    go("#/_tokens")
    wait("... which changes nothing", lambda: len(rows()) == 2)
    click("#log-out")
    wait("alice goes", lambda: all_of("#log-in"))
    log_in("bob", "bob-password")
    wait("bob sees none of alice's", has("You have no tokens"))
    for verb, status in (("rm", 404), ("ls", 200)):
        got = browser.execute_async_script(OWN, {"grant_type": "password", "username": "bob", "password": "bob-password", "token": verb, "id": first})
        check(got == status, f"... and may not {verb} them", got)
    got = browser.execute_async_script(OWN, {"grant_type": "password", "username": "alice", "password": "bob-password", "token": "ls"})
    check(got == 401, "... nor in her name", got)
    click("#log-out")
    wait("bob goes", lambda: all_of("#log-in"))


def revoking():
    log_in("alice", "alice-password")
    wait("alice still has hers", lambda: len(rows()) == 2)
    for left in (1, 0):
        click("main button[data-token]")
        wait("what will go is said", lambda: "Revoke the token" in text("dialog"))
        if left:
            accessible("token-revoke")
            picture("token-revoke", 1280, "dark")
        click("dialog button[type=submit]")
        wait(f"then it is gone, and {left} left", lambda: len(rows()) == left and not all_of("dialog"))
    check("You have no tokens" in text(), "in the end there is none")


def none():
    browser.get(URL + "/")
    log_in("alice", "alice-password")
    wait("where users make no tokens", has("app"))
    check(not all_of("#tokens"), "... nothing leads there")
    go("#/_tokens")
    wait("... and the page says why", has("user-tokens"))


if sys.argv[3:] == ["none"]:
    run(none)
else:
    run(nobody, lambda: using(making()), attacks, revoking)
