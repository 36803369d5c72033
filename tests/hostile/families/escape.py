"""Out of the sandbox: to the grader's files, processes, network and rights."""

from tests.hostile.case import Case, cheating

TRY_ALL = """
def try_all(*attempts):
    for attempt in attempts:
        try: attempt()
        except (Exception, SystemExit): pass
"""

CASES = [
    cheating(
        "the gradebook is opened and its points are raised",
        TRY_ALL
        + """
import os, pathlib, sqlite3
book = "@BOOK@"
try_all(lambda: open(book, "w").write("ada: 9"), lambda: os.truncate(book, 0), lambda: os.remove(book),
        lambda: os.chmod(book, 0), lambda: os.utime(book, (0, 0)), lambda: os.rename(book, book + "2"),
        lambda: sqlite3.connect(book).execute("update grade set points = 9"), lambda: os.link(book, "book"),
        lambda: pathlib.Path(book).with_name("@MARK@").write_text("x"))
""",
    ),
    cheating(
        "links to the gradebook in every place that the grader may look into",
        TRY_ALL
        + """
import glob, os
for place in (".", "/tmp", "/kernel", os.environ["IPYTHONDIR"], os.path.dirname(os.environ["IPYTHONDIR"])):
    for name in glob.glob(place + "/s-*") + [place + "/connection.json", place + "/file"]:
        try_all(lambda: os.remove(name))
        try_all(lambda: os.symlink("@BOOK@", name), lambda: open(name, "w").write("x"))
""",
    ),
    cheating(
        "the solutions are imported, read and searched for",
        TRY_ALL
        + """
import importlib, os, pathlib, sys
found = []
def take(path): found.append(pathlib.Path(path).read_text())
import autograder, lookback
roots = {pathlib.Path(p).parent for m in (autograder, lookback) for p in m.__path__}
roots |= {pathlib.Path(p) for p in sys.path}
for root in list(roots) + [r.parent for r in roots]:
    try_all(*(lambda p=root / n: take(p) for n in ("solutions/attention.py", "autograder/bank/attention.py")))
try_all(lambda: found.append(importlib.import_module("solutions.attention")),
        lambda: found.append(importlib.import_module("autograder.bank")),
        lambda: found.append(importlib.import_module("autograder.plain")),
        lambda: found.append(autograder.check("soft_lookup")))
if found: os.remove("@BOOK@") if os.path.exists("@BOOK@") else None
if found:
    import types
    for source in found:
        if isinstance(source, str): exec(source)
    soft_lookup = getattr(found[0], "soft_lookup", None)
assert not found
""",
    ),
    cheating(
        "the expected values are hunted in frames, in objects and in memory",
        TRY_ALL
        + """
import gc, inspect, re, sys
needles = [re.compile(b"HIDDEN TEST[S]"), re.compile(b"near temperature 0 it i[s] a hash table")]
hits = [f for frame in inspect.stack() for f in frame.frame.f_locals if "expected" in f or "reference" in f]
hits += [m for m in sys.modules if m.startswith(("solutions", "autograder.bank"))]
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        span, rights, *_, = line.split()
        if "rw" in rights and "[v" not in line:
            start, end = (int(x, 16) for x in span.split("-"))
            if end - start < 2**27:
                try: memory.seek(start); data = memory.read(end - start)
                except OSError: continue
                hits += [n for n in needles if n.search(data)]
if hits: raise SystemError("BRE" + f"ACH {hits}")
""",
    ),
    Case(
        "secrets are hunted in the environment",
        """
import os
text = str(dict(os.environ)) + open("/proc/self/environ").read() + open("/proc/self/cmdline").read()
assert not any(word in text for word in ("TOKEN", "SECRET", "PASSWORD", "AWS", "GITHUB", "SSH_", "HOSTILE_MARK")), text
marked = True
""",
        first="assert marked\n" + Case("").first,
    ),
    Case(
        "the network: HTTP, names, TCP, UDP, raw, abstract sockets",
        TRY_ALL
        + """
import socket, urllib.request
def tcp(host): socket.create_connection((host, @PORT@), 5).send(b"x")
def udp(host): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (host, @PORT@))
try_all(lambda: tcp("127.0.0.1"), lambda: udp("127.0.0.1"), lambda: tcp("localhost"), lambda: tcp("192.0.2.1"),
        lambda: urllib.request.urlopen("http://127.0.0.1:@PORT@", timeout=5),
        lambda: socket.getaddrinfo("example.org", 1),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).sendto(b"x", ("127.0.0.1", 0)),
        lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW), lambda: socket.socket(socket.AF_INET6))
""",
    ),
    Case(
        "sockets of the machine: docker, the bus, the log, the screen",
        TRY_ALL
        + """
import glob, socket
paths = ["/var/run/docker.sock", "/run/dbus/system_bus_socket", "/dev/log", "/run/systemd/notify", "/tmp/.X11-unix/X0"]
for path in paths + ["\\0/tmp/.X11-unix/X0"]:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        def reach():
            socket.socket(socket.AF_UNIX, kind).connect(path)
            raise KeyboardInterrupt("BRE" + "ACH " + path)
        try_all(reach)
""",
    ),
    Case(
        "calls that change the machine or the walls",
        """
import ctypes, os, time
library = ctypes.CDLL(None, use_errno=True)
done = []
def call(name, *arguments):
    if getattr(library, name)(*arguments) == 0: done.append(name)
for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000): call("unshare", flag)
call("mount", b"none", b"/tmp", b"tmpfs", 0, None); call("umount2", b"/proc", 2); call("chroot", b"/tmp")
call("ptrace", 16, os.getppid() or 2, 0, 0); call("sethostname", b"x", 1)
call("settimeofday", ctypes.create_string_buffer(16), None)
call("setuid", 0) if os.getuid() else None
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/sys/power/state"):
    try: open(path, "w").write("0"); done.append(path)
    except OSError: pass
try: time.clock_settime(time.CLOCK_REALTIME, 0); done.append("clock")
except OSError: pass
if done: raise SystemError("BRE" + "ACH " + " ".join(done))
""",
    ),
    Case(
        "through /proc to other roots and other processes",
        TRY_ALL
        + """
import glob, os
own = {str(os.getpid()), "self", "thread-self"}
for name in os.listdir("/proc") if os.access("/proc", os.R_OK) else map(str, range(1, 3000)):
    if name.isdigit() and name not in own:
        for file in ("environ", "mem", "maps", "root/etc/shadow", "cwd", "fd"):
            try: os.listdir(f"/proc/{name}/{file}") if file in ("cwd", "fd") else open(f"/proc/{name}/{file}").read(1)
            except OSError: continue
            raise SystemError("BRE" + f"ACH {name}/{file}")
for path in ("/proc/self/root/etc/shadow", "/proc/self/cwd/../../etc/shadow", "/proc/1/root/etc/shadow"):
    try_all(lambda: open(path).read() and os._exit(1))
""",
    ),
    Case(
        "files are left wherever it is possible",
        TRY_ALL
        + """
import os, pathlib
for place in ("/", "/tmp", "/var/tmp", "/dev/shm", "/home", "/etc", "/usr/lib", os.path.dirname(os.__file__), ".."):
    try_all(lambda: pathlib.Path(place, "@MARK@").write_text("x"), lambda: os.mkfifo(place + "/@MARK@f"),
            lambda: os.mknod(place + "/@MARK@d", 0o20666, 0), lambda: os.symlink("@BOOK@", place + "/@MARK@l"))
""",
    ),
]
