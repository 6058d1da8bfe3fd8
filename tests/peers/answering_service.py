"""A service that answers whatever comes, and begins by itself, as one does that somebody has sent a forged datagram to.

Usage: answering_service.py KIND SERVER_ADDRESS SERVER_PORT FORGED_HEX [OWN_ADDRESS OWN_PORT]. Prints the address that it
answers from.
"""

import os
import socket
import struct
import sys
import time

kind, address, port, forged = sys.argv[1:5]
own = (sys.argv[5], int(sys.argv[6])) if len(sys.argv) > 5 else ("127.0.0.1", 0)
service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
service.bind(own)
print("listening on %s:%d" % service.getsockname(), flush=True)
rounds = 0


def ntp():
    now = time.time_ns()
    return struct.pack("!II", now // 10**9 + 2208988800, (now % 10**9 << 32) // 10**9)


def stateless_reflector(data):
    """RFC 8762, section 4.3.1; what is long enough is a request."""
    if len(data) < 44:
        return None
    times = data[:4] + ntp() + b"\x80\x01" + data[14:16] + ntp() + data[:4] + data[4:12] + data[12:14]
    return times + b"\0\0\xff\0\0\0" + data[44:]


def clock_of_pings(data):
    words = data.split()
    return b"Ping %s %.9f" % (words[1] if len(words) > 1 else b"0", time.time())


KINDS = {
    "echo": lambda data: data,
    "stateless_reflector": stateless_reflector,
    "counter": lambda data: b"answer %d" % rounds,
    "long_counter": lambda data: b"this is answer %d, and it is long enough for a request of STAMP" % rounds,
    "counter_of_pings": lambda data: b"Ping %d received" % rounds,
    "clock": lambda data: b"%s %d" % (time.ctime().encode(), time.time_ns()),
    "clock_of_pings": clock_of_pings,
    "upper_casing": bytes.upper,
    "lower_casing": bytes.lower,
    "chargen": lambda data: bytes(32 + (rounds + at) % 95 for at in range(72)) + b"\r\n",
    # FORMERR: the first half of the header, as an answer.
    "dns": lambda data: data[:2].ljust(2, b"\0") + b"\x80\x01" + b"\0" * 8,
    "random": lambda data: os.urandom(64),
    "prefixing": lambda data: b"re: " + data,
    "suffixing": lambda data: data[:1024] + b" %d" % time.time_ns(),
    "truncating": lambda data: data[:-1],
}
service.sendto(bytes.fromhex(forged), (address, int(port)))
while True:
    data, peer = service.recvfrom(65535)
    rounds += 1
    answer = KINDS[kind](data)
    if answer is not None:
        service.sendto(answer, peer)
