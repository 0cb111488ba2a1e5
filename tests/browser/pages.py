"""Opens pages of bike-traffic in headless Chromium: checks them, and takes pictures.

    pages.py sample PROGRAM [PAGE...] [--state DIR] [--pictures DIR]
        run the loop of PROGRAM on sample data in DIR, and check the pages of the run and other pages
    pages.py check PAGE... [--pictures DIR]
        check pages, or all pages in folders
    pages.py screenshot PAGE --out FILE [--width 1280] [--scheme light] [--height PX] [--scale 1]
        take a picture of a page, or of its upper part, as PNG or WebP

A page is checked at 1280 and 390 pixels in light and dark colours, in a wide font, and as printed.
It passes if no element overflows, no label covers another, text has a contrast of at least 4.5, each
chart has a text alternative, each link leads to a file, the console is empty, the page requests
nothing, and it has less than 300 kB. --pictures writes a picture of each page, width and scheme;
`sample` takes them of the week of the last promotion, of its month and of the on-call page.

Requires Debian's package chromium; to install it: make setup-browser. Without Chromium the checks
are skipped, or fail with CI=true. The variable CHROMIUM names another program.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

from chromium import Chromium, ChromiumError, program
from faults import missed_faults

CHECKS = pathlib.Path(__file__).with_name("checks.js").read_text()
WINDOWS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
# Wider than the fonts of the style sheet, and the only one of many Linux machines.
WIDE_FONT = "document.body.style.fontFamily = 'DejaVu Sans'"
# The width of A4 without the margins of the style sheet.
PRINTED_WIDTH = 688
BYTES = 300_000
OPEN_DETAILS = "document.querySelectorAll('details').forEach((details) => { details.open = true })"
# Pictures must not depend on the folder of the checkout.
REPLACE_PATH = """(from, to) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replaceAll(from, to);
}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    sample = actions.add_parser("sample")
    sample.add_argument("program", type=pathlib.Path)
    sample.add_argument("pages", type=pathlib.Path, nargs="*")
    sample.add_argument("--state", type=pathlib.Path, default=pathlib.Path("target/browser"))
    sample.add_argument("--pictures", type=pathlib.Path)
    check = actions.add_parser("check")
    check.add_argument("pages", type=pathlib.Path, nargs="+")
    check.add_argument("--pictures", type=pathlib.Path)
    shot = actions.add_parser("screenshot")
    shot.add_argument("page", type=pathlib.Path)
    shot.add_argument("--out", type=pathlib.Path, required=True)
    shot.add_argument("--width", type=int, default=1280)
    shot.add_argument("--scheme", choices=["light", "dark"], default="light")
    shot.add_argument("--height", type=int)
    shot.add_argument("--scale", type=float, default=1)
    arguments = parser.parse_args()
    if program() is None:
        return without_chromium(arguments.action)
    return {"sample": sample_pages, "check": given_pages, "screenshot": screenshot}[arguments.action](arguments)


def without_chromium(action):
    print("browser: NOT CHECKED: chromium is missing; to install it: make setup-browser", file=sys.stderr)
    return 1 if action == "screenshot" or os.environ.get("CI") == "true" else 0


def screenshot(arguments):
    with Chromium() as browser:
        browser.open(arguments.page.resolve().as_uri(), arguments.width, arguments.scheme)
        write_picture(browser, arguments.out, height=arguments.height, scale=arguments.scale)
    print(arguments.out)
    return 0


def write_picture(browser, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(browser.picture(path.suffix.lstrip("."), **options))


def given_pages(arguments):
    pages = pages_in(arguments.pages)
    names = {page: page.stem if page.parent.name == "reports" else f"{page.parent.name}-{page.stem}" for page in pages}
    pictures = {page: arguments.pictures / name for page, name in names.items()} if arguments.pictures else {}
    return checked(pages, pictures)


def pages_in(paths):
    """Returns files, and the pages in folders."""
    return [page for path in paths for page in (sorted(path.rglob("*.html")) if path.is_dir() else [path])]


def sample_pages(arguments):
    """Runs the loop on sample data, which are made to have each outcome, and checks its pages."""
    state = arguments.state.resolve()
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    print("browser: running the loop on sample data, which takes a minute", flush=True)
    command = [arguments.program, "run", "--policy", '{"promotion":"guarded"}', "--states", state]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_DATA_PATH")}
    with open(state / "log", "w") as log:
        done = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        print(f"browser: the run failed, see {state / 'log'}", file=sys.stderr)
        return 1
    [reports] = state.glob("run-*/objects/reports")
    missing = missing_outcomes(reports)
    for outcome in missing:
        print(f"browser: no page of a week shows {outcome}", file=sys.stderr)
    pictures = {page: arguments.pictures / name for name, page in pictured(reports).items()} if arguments.pictures else {}
    failed = checked(pages_in([reports, *arguments.pages]), pictures, f"{state}/run-")
    return max(failed, int(bool(missing)))


def texts_of_weeks(reports):
    return {page: re.sub("<[^>]*>", " ", page.read_text()) for page in sorted(reports.glob("week/*.html"))}


def missing_outcomes(reports):
    """Returns the outcomes that no page of a week shows."""
    text = " ".join(texts_of_weeks(reports).values())
    outcomes = {
        "a drift": r"\d columns drifted", "a promotion": r"replaced version", "a refusal": r"stays champion",
        "a silent counter": r"silent hours: 24 or more zeros",
    }
    return [outcome for outcome, pattern in outcomes.items() if not re.search(pattern, text)]


def pictured(reports):
    """Returns the pages of which pictures are taken, by the names of the pictures."""
    promotions = [page for page, text in texts_of_weeks(reports).items() if "replaced version" in text]
    pages = {"index": reports / "index.html", "month": max(reports.glob("month/*.html"))}
    return pages | ({"week": promotions[-1]} if promotions else {})


def checked(pages, pictures, folder=None):
    """Checks pages, prints their faults, and returns 1 if there are any."""
    if not pages:
        print("browser: there are no pages to check", file=sys.stderr)
        return 1
    with Chromium() as browser:
        missed = missed_faults(lambda page: faults_of(browser, page))
        for fault in missed:
            print(f"browser: the checks do not find {fault}", file=sys.stderr)
        found = {page: faults_of(browser, page) for page in pages}
        for page, picture in pictures.items():
            for width, scheme in WINDOWS:
                browser.open(page.resolve().as_uri(), width, scheme)
                if folder:
                    browser.evaluate(f"({REPLACE_PATH})({folder!r}, 'state/run-')")
                write_picture(browser, picture.with_name(f"{picture.name}-{width}-{scheme}.webp"))
    for page, faults in found.items():
        print(f"browser: {page.parent.name}/{page.name}: {f'{len(faults)} faults' if faults else 'passed'}")
        for fault in faults:
            print(f"  {fault}", file=sys.stderr)
    return int(bool(missed) or any(found.values()))


def faults_of(browser, page):
    """Returns the faults of a page in all windows, and as printed."""
    address, faults = page.resolve().as_uri(), faults_of_file(page)
    for width, scheme in WINDOWS:
        browser.open(address, width, scheme)
        found = browser.evaluate(f"({CHECKS})({width})")
        # The content of folded tables and lists.
        browser.evaluate(OPEN_DETAILS)
        found += [f"unfolded: {fault}" for fault in browser.evaluate(f"({CHECKS})({width})") if fault not in found]
        faults += [f"{width} {scheme}: {fault}" for fault in found + faults_of_events(browser.events, address)]
        if scheme == "light":
            browser.evaluate(WIDE_FONT)
            in_wide_font = [fault for fault in browser.evaluate(f"({CHECKS})({width})") if not fault.startswith("contrast")]
            faults += [f"{width} wide font: {fault}" for fault in in_wide_font]
    browser.open(address, PRINTED_WIDTH, "dark", media="print")
    return faults + [f"printed: {fault}" for fault in browser.evaluate(f"({CHECKS})({PRINTED_WIDTH})")]


def faults_of_events(events, address):
    """Returns the messages of the console, and the requests beyond the page itself."""
    faults = []
    for event in events:
        method, content = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent" and not content["request"]["url"].startswith((address, "data:")):
            faults.append(f"network: requests {content['request']['url']}")
        elif method == "Runtime.consoleAPICalled":
            faults.append(f"console: {' '.join(str(value.get('value')) for value in content['args'])}")
        elif method == "Runtime.exceptionThrown":
            details = content["exceptionDetails"]
            faults.append(f"console: {details.get('exception', {}).get('description', details['text'])}")
        elif method == "Log.entryAdded":
            faults.append(f"console: {content['entry']['text']}")
    return faults


def faults_of_file(page):
    """Returns the faults that need no browser: the size, and links to files that do not exist."""
    size, faults = page.stat().st_size, []
    if size >= BYTES:
        faults.append(f"size: {size} bytes instead of less than {BYTES}")
    # Other pages than those of a state are single files.
    links = re.findall(r'<a [^>]*?href="([^"#]+)', page.read_text()) if "reports" in page.parts else []
    for link in links:
        if not re.match("[a-z]+:", link) and not (page.parent / urllib.parse.unquote(link)).exists():
            faults.append(f"link: {link} does not exist")
    return faults


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ChromiumError as error:
        sys.exit(f"browser: {error}")
