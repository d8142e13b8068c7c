"""A ``python`` for the recipes of the tests that has imported ESPnet already.

A recipe starts some fifty commands, each of which imports ESPnet and PyTorch for longer than it works
on tiny data. Here one server imports them, and forks for each command; the client, which the recipe
finds as ``python``, hands over its arguments, directory, environment and standard streams. If either
end dies, so does the other. A test that is about processes themselves names the real one in RECIPE_BIN.
"""

import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
command = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(command).to_bytes(8, "little")], [0, 1, 2])
server.sendall(command)
sys.exit(int(server.recv(4) or b"1"))
"""


def start(folder: Path):
    """Start a server in ``folder``; returns its process and the directory with its ``python``."""
    address = str(folder / "server")
    if len(address) > 100:
        raise ValueError(f"{address}: too long for the address of a socket")
    process = subprocess.Popen([sys.executable, __file__, address, str(os.getpid())])
    client = folder / "bin" / "python"
    client.parent.mkdir()
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    while not os.path.exists(address):
        if process.poll() is not None:
            raise RuntimeError(f"the server of commands ended with {process.returncode}")
        time.sleep(0.05)
    return process, client.parent


def serve(address: str, parent: int) -> None:
    """Import everything, then fork for each command until the parent is gone."""
    preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    listener = socket.socket(socket.AF_UNIX)
    listener.settimeout(0.5)  # to look for the parent; connections wait as long as they must
    listener.bind(address + ".new")
    listener.listen(64)
    os.rename(address + ".new", address)  # there once it listens
    while os.getppid() == parent:
        try:
            connection, _ = listener.accept()
        except socket.timeout:
            continue
        if os.fork() == 0:
            listener.close()
            os._exit(run(connection))
        connection.close()


def preload() -> None:
    """Import every command, and with it what it needs."""
    import espnet_cbpc.bin

    for module in pkgutil.iter_modules(espnet_cbpc.bin.__path__, "espnet_cbpc.bin."):
        importlib.import_module(module.name)


def run(connection: socket.socket) -> int:
    """Be the process that the client asks for; returns its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    arguments, directory, environment = receive(connection)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = open(number, mode, encoding="utf-8", closefd=False)
        if mode == "w":
            stream.reconfigure(line_buffering=True)
        setattr(sys, name, stream)
    threading.Thread(target=exit_without, args=(connection,), daemon=True).start()
    status = execute(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(str(status).encode())
    return status


def receive(connection: socket.socket):
    """Take over the client's standard streams; returns the rest of its message."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    with connection.makefile("rb") as rest:
        return json.loads(rest.read(int.from_bytes(size, "little")))


def exit_without(connection: socket.socket) -> None:
    """End this process when the client has ended."""
    connection.recv(1)
    os._exit(1)


def execute(arguments) -> int:
    """Do as ``python ARGUMENTS`` does."""
    try:
        if arguments[0] == "-c":
            sys.argv, sys.path[0] = ["-c", *arguments[2:]], ""
            exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
        elif arguments[0] == "-m":
            sys.argv, sys.path[0] = arguments[1:], os.getcwd()
            sys.modules.pop(arguments[1], None)
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.abspath(arguments[0]))
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
