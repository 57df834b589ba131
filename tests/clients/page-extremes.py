"""The web page with 10,000 repositories, with 10,000 tags, and with what no client pushes: page-extremes.py URL FOLDER. See
page-extremes.t and page_browser.py. What it does is counted; times are told, since they say something only where nothing else runs."""

from page_browser import URL, all_of, browser, check, choose, click, column, find, go, has, on, picture, pictures, run, sort_by, text, type_into, wait
from page_documents import documents

SMOOTH = 50  # milliseconds that a key may keep the page busy, on a machine with nothing else to do

# Counts what a reader waits for: elements that are made, comparisons, and looks at a name or into a table.
COUNT = """window.work = { elements: 0, steps: 0 };
const make = document.createElement.bind(document);
document.createElement = name => { work.elements++; return make(name); };
for (const [where, what] of [[Map.prototype, "get"], [Map.prototype, "has"], [String.prototype, "includes"], [String.prototype, "toLowerCase"], [String.prototype, "split"]]) {
  const done = where[what];
  where[what] = function (...given) { work.steps++; return done.apply(this, given); };
}
const sort = Array.prototype.sort;
Array.prototype.sort = function (compare) { return sort.call(this, compare && ((a, b) => { work.steps++; return compare(a, b); })); };"""


def typed(word):
    """Sets the search to that, one letter after the other, and returns the most that was done for one of them."""
    return browser.execute_script("""const most = { elements: 0, steps: 0 }, field = document.getElementById("search");
for (let i = 1; i <= arguments[0].length; i++) {
  Object.assign(work, { elements: 0, steps: 0 });
  field.value = arguments[0].slice(0, i);
  field.dispatchEvent(new Event("input"));
  for (const key of Object.keys(most)) most[key] = Math.max(most[key], work[key]);
}
return most;""", word)


def busy():
    """Milliseconds of its processor that the page has used, whatever else runs on the machine."""
    browser.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))")
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration") * 1000


def keys(word, where):
    """Types that as a reader does, key by key."""
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    browser.execute_script("window.longest = 0; window.observer = new PerformanceObserver(list => list.getEntries().forEach(one => { longest = Math.max(longest, one.duration); }));"
                           "observer.observe({ type: 'longtask' })")
    field, most, rows = find("#search"), 0, 0
    for letter in word:
        before = busy()
        field.send_keys(letter)
        most = max(most, busy() - before)
        rows = max(rows, len(column(0)))
    longest = browser.execute_script("observer.disconnect(); return longest")
    check(rows < 100, f"{where}: a key draws only rows in view", rows)
    print(f"# {where}: a key takes at most {most:.0f} ms of the processor; longest task: {f'{longest:.0f} ms' if longest else 'less than 50 ms'}", flush=True)
    check(most < 4 * SMOOTH, f"{where}: typing stays smooth", most)
    type_into("#search", "")


def requests():
    return browser.execute_script("return performance.getEntriesByType('resource').map(one => [new URL(one.name).pathname, one.encodedBodySize])")


def repositories():
    browser.get(URL + "/")
    wait("10,000 repositories", has("10,002 repositories"))
    wait("... and what there is to say of them", lambda: find("#order") and any("/v2/_details" == path for path, _ in requests()))
    made = requests()
    check(len(made) + 1 <= 20, "the first screen takes at most 20 requests", made)
    size = sum(size for path, size in made if path != "/v2/_details")
    check(size <= 300000, "... and 300 KB, before details come", made)
    print(f"# first screen: {len(made) + 1} requests, {size / 1000:.0f} KB before details come, {sum(size for _, size in made) / 1000:.0f} KB with them", flush=True)
    choose("#order", "pushed")
    wait("the last push comes first", lambda: column(0) and column(0)[0].startswith("team-99/service-09999"))
    check(len(column(0)) < 100, "only rows in view are drawn", len(column(0)))
    keys("service 9", "10,000 repositories")
    browser.execute_script(COUNT)
    most = typed("service 9")
    check(most["elements"] < 1500, "a letter draws the rows in view, not more", most)
    check(most["steps"] < 10 * 10000, "... and looks a few times at each name", most)
    wait("that finds what it should", lambda: all("9" in name for name in column(0)))
    check(len(requests()) == len(made), "... without a request", requests()[len(made):])
    typed("team")
    choose("#order", "name")
    on("#search", "e.value = ''; e.dispatchEvent(new Event('input'))")
    wait("all of them as a tree", lambda: "team-00" in column(0)[2])


def tags():
    go("#/many")
    wait("10,000 tags", has("10,000 tags"))
    wait("... with their details", lambda: column(0)[0].startswith("99.99.0") and column(3)[0] == "11 KB")
    check(len(column(0)) < 100, "only rows in view are drawn", len(column(0)))
    made = len(requests())
    keys("9.9.", "10,000 tags")
    for key, name in ((3, "by push"), (0, "by version"), (1, "by size")):
        sort_by(key)
        most = typed("9.9")
        check(most["elements"] < 3000, f"a letter draws the rows in view, {name}", most)
        check(most["steps"] < 40 * 10000, "... and looks a few times at each tag", most)
    wait("that finds what it should", lambda: all("9.9" in name for name in column(0)))
    check(len(requests()) == made, "... without a request", requests()[made:])
    picture("tags-10000", 1280, "light")


def hostile():
    go("#/hostile")
    wait("a hostile repository", lambda: "hostile" in text("h1") and len(column(0)) == 2 and any("v1" in name for name in column(0)))
    wait("... described by text", lambda: "<img src=x" in text(".description"))
    pictures("extreme-tags")
    go("#/hostile:" + "t" * 128)
    wait("an index of odd platforms", has("Image for several platforms"))
    pictures("extreme-index")
    go("#/hostile:v1")
    wait("a hostile image", lambda: text("h1").startswith("v1") and text().count("<img src=x") >= 5)
    wait("... what is attached", lambda: len(all_of(".attached button")) == 6)
    browser.execute_script("document.querySelectorAll('.attached button').forEach(button => button.click())")
    wait("an SBOM of 50 MB is counted, or given up", lambda: "50,000 packages" in text() or "took too long" in text())
    wait("... and all the others end", lambda: "Loading" not in text(".attachments"))
    pictures("extreme-image")
    check("This is not a JSON document" in text(), "a broken one is said to be broken", text())
    check(not all_of("main img, main script, main iframe, a[href^='javascript']"), "none of it is markup or a link")
    check(browser.execute_script("return ({}).polluted === undefined && Object.keys(Object.prototype).length === 0"), "no object is another's prototype")
    check("pwned" not in browser.title, "nothing has run", browser.title)
    go("#/")
    wait("the page goes on", has("10,002 repositories"))


run(repositories, tags, hostile, documents)
