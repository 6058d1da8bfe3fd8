"""Echoes each datagram after 30 ms and a tenth of a millisecond more for each of a hundred in turn: an RTT whose quantiles are
known, far above what a machine adds to it."""

import heapq
import select
import socket
import sys
import time

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], int(sys.argv[2])))
sock.setblocking(False)
print(f"listening on {sys.argv[1]}:{sys.argv[2]}", flush=True)

waiting, count = [], 0
end = time.monotonic() + 110
while (now := time.monotonic()) < end:
    while waiting and waiting[0][0] <= now:
        _, _, data, peer = heapq.heappop(waiting)
        sock.sendto(data, peer)
    timeout = min(waiting[0][0] - now, 1) if waiting else 1
    if select.select([sock], [], [], max(timeout, 0))[0]:
        data, peer = sock.recvfrom(65535)
        heapq.heappush(waiting, (time.monotonic() + 0.030 + count % 100 / 10_000, count, data, peer))
        count += 1
