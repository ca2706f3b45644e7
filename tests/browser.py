"""Headless chromium, in which tests and benchmarks run the JavaScript of a page."""

import json
import queue
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
NO_CHROMIUM = "no chromium on PATH"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")
RUNNER = """
<script>
const pageErrors = [];
addEventListener("error", ({ message }) => pageErrors.push(message));
(async () => {
  await ready;
  %s
})().then(
  (result) => ({ result, errors: pageErrors }),
  (error) => ({ errors: [error.stack, ...pageErrors] }),
).then((answer) => fetch("answer", { method: "POST", body: JSON.stringify(answer) }));
</script>
"""


def run_script(page: Path, script: str, width: int = 1400, timeout: float = 120) -> Any:
    """Open a page in headless chromium, and run a script in it when its promise `ready` resolves.

    Args:
        page: file of the page.
        script: body of an async function, whose JSON result is returned.
        width: of the window, in pixels.
        timeout: seconds until chromium is stopped.

    Raises:
        RuntimeError: if the page or the script raises an error.
        queue.Empty: after the timeout.
    """
    assert CHROMIUM
    answers: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.read_bytes() + (RUNNER % script).encode())

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            answers.put(json.loads(content))

        def log_message(self, *args: Any) -> None:
            pass

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
        TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},1000"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        browser = subprocess.Popen([*command, "--remote-debugging-port=0", url], **quiet)
        try:
            answer = answers.get(timeout=timeout)
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    if answer["errors"]:
        raise RuntimeError("\n".join(answer["errors"]))
    return answer.get("result")
