"""rtorrent as a driver, through XML-RPC over SCGI. `settings` are commands of its rtorrent.rc and their values."""

import pathlib
import socket
import xmlrpc.client

import daemon

start, folder = daemon.start, daemon.folder
RPC = ("127.0.0.1", 5000)
folders = []  # of its only torrent
SESSION, RC = folder / "session", folder / "rtorrent.rc"
settings = {
    # Without it the terminal must be there.
    "system.daemon.set": "true",
    "session.path.set": SESSION,
    "network.port_range.set": f"{start['port']}-{start['port']}",
    "network.port_random.set": "no",
    "dht.mode.set": "disable",
    "protocol.pex.set": "no",
    "trackers.use_udp.set": "yes",
    "protocol.encryption.set": "none",
    "throttle.global_up.max_rate.set_kb": start["upload_limit"] // 1024,
    "network.scgi.open_port": "%s:%d" % RPC,
    "log.open_file": f'"log", {folder / "rtorrent.log"}',
    "log.add_output": '"info", "log"',
}


def rpc(method, *params):
    body = xmlrpc.client.dumps(params, method).encode()
    head = f"CONTENT_LENGTH\0{len(body)}\0SCGI\x001\0".encode()
    with socket.create_connection(RPC, timeout=20) as link:
        link.sendall(b"%d:%s,%s" % (len(head), head, body))
        answer = b"".join(iter(lambda: link.recv(1 << 16), b""))
    return xmlrpc.client.loads(answer.partition(b"\r\n\r\n")[2])[0][0]


def version():
    return rpc("system.client_version")


def add(torrent, dir):
    folders.append(pathlib.Path(dir))
    rpc("load.start_verbose", "", torrent, f"d.directory.set={dir}")


def only():
    """The hash of its only torrent, once it has been added."""
    return next(iter(rpc("download_list")), None)


def has_all():
    try:
        return has_all_of(only())
    except xmlrpc.client.Fault as fault:
        # The metadata of a magnet is a download of its own, which has gone meanwhile.
        if fault.faultCode != -501:
            raise
        return False


def has_all_of(this):
    if this is None:
        return False
    # What trackers say comes back too, as "Tracker: [...]".
    message = rpc("d.message", this)
    if message and not message.startswith("Tracker:"):
        raise RuntimeError(message)
    if rpc("d.is_meta", this) == 1:
        return False
    complete = rpc("d.complete", this) == 1 and rpc("d.hashing", this) == 0
    if complete:
        # It leaves the metadata of a magnet beside the content.
        for left in folders[0].glob("*.meta"):
            left.unlink()
    return complete


def status():
    this = only()
    return {
        "downloaded": rpc("d.completed_bytes", this),
        "uploaded": rpc("d.up.total", this),
        "peers": rpc("d.peers_connected", this),
        "message": rpc("d.message", this),
    }


def connect(ip, port):
    rpc("d.add_peer", only(), f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}")


SESSION.mkdir(exist_ok=True)
RC.write_text("".join(f"{name} = {value}\n" for name, value in {**settings, **start["settings"]}.items()))
daemon.run(
    ["-n", "-o", f"import={RC}"],
    version,
    {"version": version, "add": add, "has_all": has_all, "status": status, "connect": connect},
)
