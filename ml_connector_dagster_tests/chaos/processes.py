"""Child processes that are killed, and started again by a supervisor, as systemd or Kubernetes does it."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil


#: Seconds between the death of a process and its next start.
RESTART_AFTER: Final = 1.0


@dataclass(slots=True, kw_only=True)
class Service:
    """A process that should be running, in a session of its own: what it starts can be found when it is dead.

    Attributes:
        starts: how often it was started.
        sessions: the ids of all sessions it ever had.
        hear: takes each line of its output, where that does not go to ``log``.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    hear: Callable[[str], None] | None = None
    starts: int = 0
    sessions: list[int] = field(default_factory=list)
    wanted: bool = True
    _process: "subprocess.Popen[str] | None" = None
    _listener: threading.Thread | None = None
    _due: float = 0.0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def pid(self) -> int | None:
        """Of the running process; None while there is none."""
        with self._lock:
            process = self._process
            return None if process is None or process.poll() is not None else process.pid

    def keep(self) -> None:
        """Start it when it is due."""
        with self._lock:
            if not self.wanted or self.pid is not None:
                return
            if self._process is not None:
                self._bury(self._process)
                self._due = time.monotonic() + RESTART_AFTER
            if time.monotonic() >= self._due:
                self._start()

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self.command),
                env=dict(self.environment),
                stdin=subprocess.PIPE,
                stdout=log if self.hear is None else subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        self.starts += 1
        self.sessions.append(self._process.pid)
        if self.hear is not None:
            self._listener = threading.Thread(
                target=self._listen, args=(self._process,), daemon=True
            )
            self._listener.start()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        assert self.hear is not None
        for line in process.stdout:
            self.hear(line.strip())

    def tell(self, line: str) -> None:
        """Write a line to its stdin; a process that is dead hears nothing."""
        with self._lock:
            if self.pid is not None and self._process is not None and self._process.stdin:
                with contextlib.suppress(OSError):
                    self._process.stdin.write(f"{line}\n")
                    self._process.stdin.flush()

    def kill(self) -> bool:
        """``kill -9``; whether there was anything to kill. The supervisor starts it again when it is ``wanted``."""
        with self._lock:
            pid = self.pid
            if pid is None:
                return False
            os.kill(pid, signal.SIGKILL)
            return True

    def members(self) -> list[psutil.Process]:
        """What lives in its sessions, itself included: children stay there when their parent is dead."""
        sessions = set(self.sessions)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(process.pid) in sessions:
                    found.append(process)
        return found

    def end(self) -> None:
        """Kill it and all that it started; it is not started again."""
        with self._lock:
            self.wanted = False
            for process in self.members():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            if self._process is not None:
                self._bury(self._process)

    def _bury(self, process: "subprocess.Popen[str]") -> None:
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if self._listener is not None:
            self._listener.join(timeout=5)
        if process.stdout is not None:
            process.stdout.close()
        self._process = self._listener = None


class Supervisor:
    """Looks after services on a thread of its own, until ``stop``."""

    def __init__(self) -> None:
        self.services: list[Service] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, service: Service) -> Service:
        service.keep()
        self.services.append(service)
        return service

    def _look_after(self) -> None:
        while not self._stop.wait(0.25):
            for service in self.services:
                service.keep()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for service in self.services:
            service.end()
