"""The classic lab's server: answers in upper case and drops about 30 % on purpose.

Usage: classic_server.py SEED. Prints the address it listens on, then the number of each ping that it drops.
"""

import random
import socket
import sys

chance = random.Random(int(sys.argv[1]))
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print("listening on %s:%d" % server.getsockname(), flush=True)
while True:
    message, client = server.recvfrom(65536)
    if chance.randrange(10) < 3:
        print("dropped", message.split()[1].decode(), flush=True)
        continue
    server.sendto(message.upper(), client)
