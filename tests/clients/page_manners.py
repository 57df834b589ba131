"""How the page behaves: by keyboard alone, without motion, and when the server does not. Used by page.py, which is logged in as alice."""

from selenium.webdriver.common.keys import Keys

from page_browser import all_of, browser, check, click, column, emulate, find, go, has, text, wait


def press(*keys):
    browser.switch_to.active_element.send_keys(*keys)


def focused():
    return browser.execute_script("const e = document.activeElement; return e.id || e.dataset.focus || e.textContent")


def tab_to(what, most=40):
    for _ in range(most):
        if focused() == what:
            return True
        press(Keys.TAB)
    return focused() == what


def first_stop():
    find("body").send_keys(Keys.TAB)
    check(focused() == "skip" and find("#skip").is_displayed(), "by keyboard: the first stop leads past the heading", focused())
    press(Keys.ENTER)
    check(focused() == "main", "... into the content", focused())


def keyboard():
    go("#/")
    wait("the list", lambda: focused() == "main" and "team" in text())
    check(tab_to("team/app"), "a repository is reached", focused())
    outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    check(outline == "solid", "... and seen to be", outline)
    press(Keys.ENTER)
    wait("... and opened", lambda: "team/app" in text("h1") and find("#add-tag"))
    check(focused() == "main", "... with its content next", focused())
    check(tab_to("Size"), "a heading is reached", focused())
    press(Keys.ENTER)
    wait("... and sorts", lambda: all_of(".rows thead th")[3].get_attribute("aria-sort") == "descending")
    check(focused() == "Size", "... and stays where one is", focused())
    press(Keys.ENTER, Keys.ENTER)
    browser.execute_script("document.getElementById('add-tag').focus()")
    press(Keys.ENTER)
    check(browser.execute_script("return document.querySelector('dialog').contains(document.activeElement)"), "a dialog takes the focus", focused())
    for _ in range(8):
        press(Keys.TAB)
        if not browser.execute_script("return document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement)"):
            check(False, "... and keeps it", focused())
    press(Keys.ESCAPE)
    wait("Escape closes it", lambda: not all_of("dialog"))
    check(focused() == "add-tag", "... and leads back", focused())


MOVING = "return [...document.querySelectorAll('*')].filter(e => getComputedStyle(e).transitionDuration !== '0s' || getComputedStyle(e).animationName !== 'none').length"


def motion():
    emulate("light")
    check(browser.execute_script(MOVING) == 0, "who wants no motion gets none")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "no-preference"}]})
    check(browser.execute_script(MOVING) > 0, "... and others a little")
    emulate("light")
    exact = browser.execute_script("return document.querySelector('.rows time').title")
    check("2026" in exact and ":" in exact, "the exact time is there on hover", exact)


def answers(script):
    """What the page asks for from now on is answered by that, a function of the path; undefined: as the server does."""
    browser.execute_script("window.truly ??= fetch; window.fetch = async (path, options) => { const made = await (" + script + ")(String(path), options); return made ?? truly(path, options); }")


def failing():
    """The server fails in the middle of a visit, in each way it can."""
    go("#/public/hello")
    wait("a repository", lambda: "hello" in text("h1") and column(0))
    answers("() => { throw new TypeError('Failed to fetch') }")
    go("#/team/app")
    wait("a server that is gone", has("The registry cannot be reached", "Try again"))
    check(all_of("main [role=alert]"), "... is an alert")
    answers("() => undefined")
    click("main button.primary")
    wait("... and back again", lambda: "team/app" in text("h1") and column(0))
    for what, answer, said in (
            ("a server that is overloaded", "new Response(JSON.stringify({ errors: [{ code: 'UNAVAILABLE', message: 'too many at once' }] }), { status: 503 })", "too many at once"),
            ("a gateway's own page", "new Response('<html><script>document.title=1</script>', { status: 502, headers: { 'Content-Type': 'text/html' } })", "(502)"),
            ("a page instead of a list", "new Response('<html>')", "cannot be read"),
            ("an answer that is cut", "new Response(new ReadableStream({ start(out) { out.enqueue(new Uint8Array(9)); out.error(new TypeError('cut')); } }))", "The registry cannot be reached")):
        answers(f"path => /tags.list/.test(path) ? {answer} : undefined")
        go("#/public/hello")
        wait(what, has("does not answer as it should", said))
        answers("() => undefined")
        go("#/")
        wait("... and the page goes on", has("hello"))
    answers("path => /tags._details|tags._about|referrers/.test(path) ? new Response('', { status: 500 }) : undefined")
    go("#/team/app")
    wait("without what is only told besides, tags are shown", lambda: any("1.10.0" in name for name in column(0)) and any("linux/amd64" in line for line in column(2)))
    answers("(path, options) => options?.method === 'DELETE' && /1.2.0/.test(path) ? new Response(JSON.stringify({ errors: [{ code: 'UNAVAILABLE', message: 'the disk is full' }] }), { status: 507 }) : undefined")
    go("#/")
    wait("the list", has("hello"))
    go("#/team/app")
    wait("team/app", lambda: find("[data-focus='select 1.2.0']"))
    click("[data-focus='select 1.2.0']")
    click("#delete-tags")
    click("dialog button[type=submit]")
    wait("what could not be deleted is said, with the reason", lambda: "1.2.0: the disk is full" in text("dialog .problem"))
    answers("() => undefined")
    click("dialog button[type=button]")
    wait("... and it is still there", lambda: not all_of("dialog") and any("1.2.0" in name for name in column(0)))
