"""Sends one datagram as if another program had sent it. Needs the right to use raw sockets.

Usage: forge.py FROM_ADDRESS FROM_PORT TO_ADDRESS TO_PORT HEX
"""

import socket
import struct
import sys

from_address, from_port, to_address, to_port, digits = sys.argv[1:]
datagram = bytes.fromhex(digits)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.bind((from_address, 0))
# RFC 768: ports, length, and 0 for no checksum. The system puts the IP header before it.
header = struct.pack("!HHHH", int(from_port), int(to_port), 8 + len(datagram), 0)
raw.sendto(header + datagram, (to_address, 0))
