"""Opens pages in headless Chromium, through its DevTools protocol.

The messages go through two pipes, so Python's standard library suffices and no port is open.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
# No host name resolves, so a page cannot reach a network even if it tries.
OPTIONS = [
    "--headless", "--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-dev-shm-usage", "--disable-extensions",
    "--disable-gpu", "--disable-lcd-text", "--disable-sync", "--force-color-profile=srgb", "--hide-scrollbars",
    "--no-default-browser-check", "--no-first-run", "--no-pings",
]
# Chromium reads messages from descriptor 3 and writes them to descriptor 4.
SHELL = 'exec "$@" 3<&0 4>&1 </dev/null >&2'
SECONDS = 60


class ChromiumError(Exception):
    """Chromium did not start, did not answer, or refused a command."""


def program():
    """Returns the path of Chromium, or None. The variable CHROMIUM may name it."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """A running Chromium with one tab. Use it in a `with` statement."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="chromium-")
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.buffer, self.number, self.events, self.session = b"", 0, [], None
        # Chromium refuses to run as root with its sandbox.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [program(), *OPTIONS, *sandbox, f"--user-data-dir={self.folder}/profile", "about:blank"]
        self.process = subprocess.Popen(
            ["sh", "-c", SHELL, "sh", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
        )
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ["Page", "Runtime", "Log", "Network"]:
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(timeout=10)
        except (ChromiumError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, **parameters):
        """Sends a command and returns its result. Events that arrive before it are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\0")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.ended(method) from None
        deadline = time.monotonic() + SECONDS
        while True:
            answer = self.receive(deadline, method)
            if answer.get("id") != self.number:
                self.events.append(answer)
            elif "error" in answer:
                raise ChromiumError(f"cannot run {method}: {answer['error']['message']}")
            else:
                return answer["result"]

    def receive(self, deadline, purpose):
        """Returns the next message."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise ChromiumError(f"no answer to {purpose} within {SECONDS} s")
            read = os.read(self.process.stdout.fileno(), 1 << 20)
            if not read:
                raise self.ended(purpose)
            self.buffer += read
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def ended(self, purpose):
        with open(self.log.name, errors="replace") as log:
            return ChromiumError(f"chromium ended before {purpose}: {log.read()[-2000:].strip()}")

    def wait(self, method):
        """Waits for an event, which may have arrived before."""
        deadline = time.monotonic() + SECONDS
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive(deadline, method))

    def open(self, address, width, scheme, media=""):
        """Opens a page in a window of this width with the colour scheme "light" or "dark"."""
        self.call("Page.navigate", url="about:blank")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.events.clear()
        failure = self.call("Page.navigate", url=address).get("errorText")
        if failure:
            raise ChromiumError(f"cannot open {address}: {failure}")
        self.wait("Page.loadEventFired")

    def evaluate(self, expression):
        """Returns the value of an expression of JavaScript."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise ChromiumError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def picture(self, kind="png", height=None, scale=1):
        """Returns a picture of the page, "png" or "webp", of its whole height or of its upper part."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(height or size["height"], size["height"]), "scale": scale}
        quality = {} if kind == "png" else {"quality": 80}
        taken = self.call("Page.captureScreenshot", format=kind, clip=clip, captureBeyondViewport=True, **quality)
        return base64.b64decode(taken["data"])
