"""The UDP Pinger of Kurose and Ross's textbook by the module socket: `pinger.py HOST:PORT`, or a
component with the argument HOST:PORT."""

import socket
import sys
import time

PINGS = 10
TIMEOUT = 1.0


def main(arguments):
    server = arguments[0] if len(arguments) == 1 else ""
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        sys.stderr.write("usage: pinger HOST:PORT\n")
        return 2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pinger:
        try:
            pinger.connect((host, int(port)))
            rtts = []
            for seq in range(1, PINGS + 1):
                rtt = ping(pinger, f"Ping {seq} {time.time():.6f}".encode())
                if rtt is None:
                    print(f"{server}: seq={seq} lost")
                else:
                    print(f"{server}: seq={seq} rtt={rtt * 1e3:.3f} ms")
                    rtts.append(rtt)
        except OSError as error:
            sys.stderr.write(f"{server}: {error}\n")
            return 1
    print(f"{PINGS} sent, {len(rtts)} received, {PINGS - len(rtts)} lost")
    if rtts:
        summary = min(rtts), sum(rtts) / len(rtts), max(rtts)
        print("rtt min/avg/max = {:.3f}/{:.3f}/{:.3f} ms".format(*(rtt * 1e3 for rtt in summary)))
    return 0


def ping(pinger, request):
    """The seconds until the reply to `request`: replies to earlier ones, which were late, are not
    it. None if there is none in time."""
    sent = time.monotonic()
    try:
        pinger.send(request)
    except ConnectionRefusedError:
        # An ICMP error for an earlier ping, in place of which this one has not left.
        pass
    while (left := sent + TIMEOUT - time.monotonic()) > 0:
        pinger.settimeout(left)
        try:
            reply = pinger.recv(1500)
        except (TimeoutError, ConnectionRefusedError):
            continue
        if reply.lower() == request.lower():
            return time.monotonic() - sent
    return None


if sys.platform == "wasi":
    from componentize_py_types import Err
    from wit_world import exports

    class Run(exports.Run):
        """What the component exports: wasi:cli/run."""

        def run(self):
            if main(sys.argv[1:]):
                raise Err(None)

elif __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
