"""Time and memory of processes, and of requests on one connection. Uses the standard library only.

The peak memory of a child process includes that of its parent at the start, so the program that
measures must stay small and imports neither pandas nor numpy.
"""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT = 120


@dataclass(frozen=True)
class Run:
    """A finished process."""

    seconds: float
    peak_mib: float
    output: str

    def json(self):
        """Returns the last line of the output as JSON: libraries may print before it."""
        return json.loads(self.output.strip().splitlines()[-1])


def run(command, environment=None):
    """Runs a process to its end. A failure raises an error with the end of its output."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        # Popen must not wait for the process again.
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {errors.read()[-2000:]}")
        return Run(seconds, usage.ru_maxrss / 1024, output.read())


class Service:
    """The process of an HTTP service on a free port of 127.0.0.1. Leaving the context stops it."""

    def __init__(self, command, environment):
        self.port = free_port()
        self.log = tempfile.TemporaryFile("w+")
        command = [str(part).replace("{port}", str(self.port)) for part in command]
        environment = environment | {"PORT": str(self.port)}
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def first_answer(self, request):
        """Returns the seconds from process start to the complete answer of a request."""
        while True:
            try:
                with Connection(self.port) as connection:
                    connection.exchange(request)
                    return time.perf_counter() - self.started
            except ConnectionError:
                if self.process.poll() is not None or time.perf_counter() - self.started > START_TIMEOUT:
                    self.log.seek(0)
                    raise RuntimeError(f"a service did not start: {self.log.read()[-2000:]}") from None
                time.sleep(0.0002)

    def peak_mib(self):
        """Returns the peak resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


class Connection:
    """An HTTP connection that sends prepared requests one after the other."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def exchange(self, request):
        """Sends a request and returns the body of its answer."""
        self.socket.sendall(request)
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self.receive()
        head = answer[:end].lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
        missing = length - (len(answer) - end - 4)
        parts = [answer[end + 4 :]]
        while missing > 0:
            parts.append(self.receive())
            missing -= len(parts[-1])
        body = b"".join(parts)
        if not head.startswith(b"http/1.1 2"):
            raise RuntimeError(f"a service answered {head[:40]!r}: {body[:500]!r}")
        return body

    def receive(self):
        received = self.socket.recv(1 << 20)
        if not received:
            raise ConnectionResetError("the service closed the connection")
        return received


def get(path):
    """Returns the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path, value):
    """Returns the bytes of a POST request with a JSON body."""
    body = json.dumps(value).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def quantile(values, share):
    """Returns the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[int((len(ordered) - 1) * share)]


def median(values):
    return quantile(values, 0.5)
