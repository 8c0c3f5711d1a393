"""A real Chromium without a window, driven over a pipe by its DevTools protocol."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

import launch

SECONDS = 60
WAIT_SECONDS = 20
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe"]


def find():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def without_network():
    """The words that start a program where there is no network, where that is allowed."""
    words = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    try:
        return words if subprocess.run([*words, "true"], stderr=subprocess.DEVNULL).returncode == 0 else []
    except FileNotFoundError:
        return []


class Browser:
    def __init__(self):
        self._profile = tempfile.TemporaryDirectory()
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        # The browser reads from descriptor 3 and writes to 4.
        argv = ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash", *without_network(), find(), *FLAGS,
                f"--user-data-dir={self._profile.name}", "about:blank"]
        self._program = launch.Program(argv, pass_fds=(commands, answers))
        os.close(commands)
        os.close(answers)
        self._n, self._unread, self.events = 0, b"", []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        os.close(self._to)
        os.close(self._from)
        self._program.end()
        self._profile.cleanup()

    def _message(self, deadline):
        while b"\0" not in self._unread:
            if not select.select([self._from], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"the browser did not answer within {SECONDS} s: {self._program.stderr()[-2000:]}")
            got = os.read(self._from, 1 << 20)
            if not got:
                raise EOFError(f"the browser has ended: {self._program.stderr()[-2000:]}")
            self._unread += got
        one, _, self._unread = self._unread.partition(b"\0")
        return json.loads(one)

    def _call(self, method, session=None, **parameters):
        self._n += 1
        message = {"id": self._n, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while True:
            answer = self._message(deadline)
            if answer.get("id") == self._n:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def call(self, method, **parameters):
        return self._call(method, self._session, **parameters)

    def run(self, script):
        """The value of the script's last expression, awaited."""
        end = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in end, end["exceptionDetails"]
        return end["result"].get("value")

    def wait(self, condition):
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"never true: {condition}"
            time.sleep(0.02)

    def open(self, path, fragment="", width=1200, height=1000, dark=False):
        """A page afresh; returns when it has drawn itself."""
        self.call("Page.navigate", url="about:blank")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.dark(dark)
        self.events.clear()
        self.call("Page.navigate", url=f"file://{path}{fragment}")
        self.wait('document.documentElement?.dataset.state === "ready"')

    def dark(self, on):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if on else "light"}])

    def key(self, name):
        """A key as a keyboard gives it: Tab, Enter, Escape, ArrowDown ..."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27, "PageDown": 34, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38,
                "ArrowRight": 39, "ArrowDown": 40}[name]
        text = {"text": "\r"} if name == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, code=name, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, code=name, windowsVirtualKeyCode=code)

    def complaints(self):
        """What the console said of warnings and errors, and what was thrown."""
        found = []
        for event in self.events:
            what, p = event.get("method"), event.get("params", {})
            if what == "Runtime.exceptionThrown":
                found.append(p["exceptionDetails"].get("exception", {}).get("description") or p["exceptionDetails"]["text"])
            elif what == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert"):
                found.append(str([a.get("value", a.get("description")) for a in p["args"]]))
            elif what == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
                found.append(p["entry"]["text"])
        return found

    def requests(self):
        """Everything that the page asked for, but itself and what it carries."""
        asked = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("file://", "data:", "blob:"))]

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
