"""A tracker for tests, over HTTP (BEP 3, 23, 7) and UDP (BEP 15, 41). Tells each announce as an event.

Argument: the interval in seconds. It names peers of the asker's own address family only.
"""

import http.server
import ipaddress
import os
import socket
import struct
import sys
import threading
from urllib.parse import unquote_to_bytes

from driver import emit, serve

PORT = 6969
UDP_PORT = 6970
INTERVAL = int(sys.argv[1])

swarms = {}  # info-hash -> {(peer id, address family): packed address and port}
swarms_lock = threading.Lock()


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def take(address, by, info_hash, peer_id, port, left, event, uploaded, downloaded, **more):
    """Takes an announce and returns the other peers, packed."""
    name = (peer_id, address.version)
    with swarms_lock:
        swarm = swarms.setdefault(info_hash, {})
        others = [peer for key, peer in swarm.items() if key != name and key[1] == name[1]]
        if event == "stopped":
            swarm.pop(name, None)
        else:
            swarm[name] = address.packed + port.to_bytes(2, "big")
    emit(
        "announce",
        info_hash=info_hash.hex(),
        peer_id=peer_id.decode("latin-1"),
        ip=str(address),
        port=port,
        left=left,
        said=event,
        uploaded=uploaded,
        downloaded=downloaded,
        by=by,
        **more,
    )
    return others


def announce(address, query):
    info_hash, peer_id = query["info_hash"], query["peer_id"]
    if len(info_hash) != 20 or len(peer_id) != 20:
        return {b"failure reason": b"info_hash and peer_id have 20 bytes"}
    numbers = {name: int(query[name]) for name in ("port", "left", "uploaded", "downloaded")}
    event = query.get("event", b"").decode()
    others = take(address, "http", info_hash, peer_id, event=event, **numbers)
    wanted = max(0, int(query.get("numwant", 50)))
    list_name = b"peers" if address.version == 4 else b"peers6"
    answer = {b"interval": INTERVAL, b"peers": b""}
    answer[list_name] = b"".join(others[:wanted])
    return answer


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path != "/announce":
            return self.send_error(404)
        address = ipaddress.ip_address(self.client_address[0])
        address = address.ipv4_mapped or address
        fields = dict(part.partition("=")[::2] for part in query.split("&") if part)
        try:
            answer = announce(address, {key: unquote_to_bytes(value) for key, value in fields.items()})
        except (KeyError, ValueError) as error:
            answer = {b"failure reason": f"bad announce: {error!r}".encode()}
        body = bencode(answer)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """The events say it all."""


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


CONNECT, ANNOUNCE, ERROR = 0, 1, 3
EVENTS = ["", "completed", "started", "stopped"]


def url_data(options):
    """BEP 41: path and query of the tracker's URL."""
    data = b""
    while options and options[0] != 0:
        if options[0] == 1:
            options = options[1:]
            continue
        if options[0] == 2:
            data += options[2 : 2 + options[1]]
        options = options[2 + options[1] :]
    return data.decode()


class UdpTracker:
    def __init__(self, family, any_address):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.bind((any_address, UDP_PORT))
        self.connections = set()  # (host, connection id)

    def run(self):
        while True:
            packet, sender = self.socket.recvfrom(65536)
            if len(packet) < 16:
                continue
            action, transaction = struct.unpack(">II", packet[8:16])
            try:
                body = self.answer(packet, action, sender[0])
            except (ValueError, IndexError, struct.error) as error:
                action, body = ERROR, str(error).encode()
            self.socket.sendto(struct.pack(">II", action, transaction) + body, sender)

    def answer(self, packet, action, host):
        connection = packet[:8]
        if action == CONNECT:
            if connection != struct.pack(">Q", 0x41727101980):
                raise ValueError("no connect request")
            connection = os.urandom(8)
            self.connections.add((host, connection))
            return connection
        if (host, connection) not in self.connections:
            raise ValueError("unknown connection id")
        if action != ANNOUNCE:
            raise ValueError("unknown action")
        info_hash, peer_id, downloaded, left, uploaded, event, _ip, _key, wanted, port = struct.unpack(
            ">20s20sQQQIIIiH", packet[16:98]
        )
        others = take(
            ipaddress.ip_address(host),
            "udp",
            info_hash,
            peer_id,
            port,
            left,
            EVENTS[event],
            uploaded,
            downloaded,
            url_data=url_data(packet[98:]),
        )
        wanted = len(others) if wanted < 0 else wanted
        return struct.pack(">III", INTERVAL, 0, len(others)) + b"".join(others[:wanted])


for tracker in (UdpTracker(socket.AF_INET, "0.0.0.0"), UdpTracker(socket.AF_INET6, "::")):
    threading.Thread(target=tracker.run, daemon=True).start()
threading.Thread(target=Server(("::", PORT), Handler).serve_forever, daemon=True).start()
serve({"alive": lambda: True})
