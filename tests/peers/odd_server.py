"""A server that answers each ping in another way, by its number.

1: twice. 2: after 600 ms. 3: after the reply to 4. 4: at once. 5: with another content. 6: from another port. 7: never.
Others: at once. Prints the address it listens on.
"""

import socket
import threading

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other.bind(("127.0.0.1", 0))
print("listening on %s:%d" % server.getsockname(), flush=True)
held = None
while True:
    message, client = server.recvfrom(65536)
    number = int(message.split()[1])
    if number == 1:
        server.sendto(message, client)
        server.sendto(message, client)
    elif number == 2:
        threading.Timer(0.6, server.sendto, (message, client)).start()
    elif number == 3:
        held = message
    elif number == 4:
        server.sendto(message, client)
        server.sendto(held, client)
    elif number == 5:
        server.sendto(message.replace(b"Ping", b"Pong"), client)
    elif number == 6:
        other.sendto(message, client)
    elif number != 7:
        server.sendto(message, client)
