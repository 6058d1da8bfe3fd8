"""An echo server as the classic lab has it: a few lines, one datagram at a time."""
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print("listening on %s:%d" % server.getsockname(), flush=True)
while True:
    data, peer = server.recvfrom(65535)
    server.sendto(data, peer)
