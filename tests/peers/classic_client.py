"""The classic lab's client: ten numbered, timestamped pings, one at a time, each awaited for a second.

Usage: classic_client.py HOST PORT. Prints a line a ping and a summary; ends 0 where every ping was answered.
"""

import socket
import sys
import time

host, port = sys.argv[1], int(sys.argv[2])
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(1)
rtts = []
for number in range(1, 11):
    start = time.time()
    message = f"Ping {number} {start}"
    client.sendto(message.encode(), (host, port))
    try:
        reply, sender = client.recvfrom(1024)
    except socket.timeout:
        print("Request timed out")
        continue
    if reply.decode().upper() != message.upper():
        sys.exit(f"not what was sent: {reply!r}")
    rtts.append(time.time() - start)
    print(f"{reply.decode()} rtt {rtts[-1]:.6f}")
print(f"received {len(rtts)} of 10")
sys.exit(0 if len(rtts) == 10 else 1)
