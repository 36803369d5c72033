"""What a program on a worker's host could reach: one that prints as JSON what it reached of what it was told.

It runs in a notebook behind the walls, and as it is on the host, where it must reach everything.
"""

from __future__ import annotations

from pathlib import Path

from tests.cluster.world import HOSTS, HUB, World

PORT = 9000
LISTEN = f"""
import os, selectors, socket, sys
selector = selectors.DefaultSelector()
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_STREAM, ("", {PORT})),
    (socket.AF_INET, socket.SOCK_DGRAM, ("", {PORT})),
    (socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + sys.argv[1]),
    (socket.AF_UNIX, socket.SOCK_STREAM, sys.argv[1]),
):
    listening = socket.socket(family, kind)
    listening.bind(address)
    if kind == socket.SOCK_STREAM:
        listening.listen()
    selector.register(listening, selectors.EVENT_READ)
os.chmod(sys.argv[1], 0o777)
while True:
    for key, _ in selector.select():
        if key.fileobj.type == socket.SOCK_STREAM:
            key.fileobj.accept()[0].close()
        else:
            key.fileobj.sendto(b"here", key.fileobj.recvfrom(100)[1])
"""
"""Takes whoever comes, by TCP, by UDP, by a Unix socket of no name in the file system and by one with a name."""
PROBE = """
import glob, json, os, socket

def tcp(host, port):
    socket.create_connection((host, port), timeout=3)

def udp(host, port):
    sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sending.settimeout(3)
    sending.sendto(b"?", (host, port))
    sending.recv(100)

def unix(path):
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect(path)

def read(path):
    open(path, "rb").read(1)

def look(path):
    os.listdir(path)

def environment(word):
    for path in glob.glob("/proc/*/environ"):
        try:
            if word in open(path).read():
                return
        except OSError:
            pass
    raise LookupError(word)

def told(how, *what):
    try:
        globals()[how](*what)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "reached"

print(json.dumps({name: told(*how) for name, how in TARGETS.items()}))
"""


def targets(world: World) -> dict[str, list[object]]:
    """What there is to reach on the cluster, and how, by names."""
    found: dict[str, list[object]] = {
        "scheduler": ["tcp", HUB, 8786],
        "hub by TCP": ["tcp", HUB, PORT],
        "hub by UDP": ["udp", HUB, PORT],
        "configuration": ["read", str(world.place / "dask.yaml")],
        "key": ["read", str(world.place / "cluster.key")],
        "environment": ["environment", "DASK_CONFIG"],
    }
    for name, host in world.hosts.items():
        found |= {
            f"worker on {name}": ["tcp", HOSTS[name], int(host.said(r"Start worker at: +tls://.*:(\d+)")[-1])],
            f"{name} by TCP": ["tcp", HOSTS[name], PORT],
            f"{name} by UDP": ["udp", HOSTS[name], PORT],
            f"socket on {name}": ["unix", socket_of(host.directory)],
            f"abstract socket on {name}": ["unix", "\0" + socket_of(host.directory)],
            f"spool of {name}": ["look", str(host.directory / "cache/lookback/spool")],
        }
    return found


def socket_of(directory: Path) -> str:
    return str(directory / "tmp" / "socket")


def probe(world: World) -> str:
    """The program."""
    return f"TARGETS = {targets(world)!r}\n{PROBE}"
