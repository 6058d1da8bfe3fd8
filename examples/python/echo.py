"""A UDP echo server by the module socket: `echo.py PORT`, or a component with the argument PORT."""

import socket
import sys


def main(arguments):
    if len(arguments) != 1 or not arguments[0].isdecimal() or int(arguments[0]) > 65535:
        sys.stderr.write("usage: echo PORT\n")
        return 2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        try:
            echo.bind(("0.0.0.0", int(arguments[0])))
            print("listening on {}:{}".format(*echo.getsockname()), flush=True)
            while True:
                answer_next(echo)
        except OSError as error:
            sys.stderr.write(f"{error}\n")
            return 1


def answer_next(echo):
    try:
        datagram, peer = echo.recvfrom(1 << 16)
    except ConnectionRefusedError:
        # An ICMP error for an earlier answer.
        return
    try:
        echo.sendto(datagram, peer)
    except OSError as error:
        sys.stderr.write("cannot answer {}:{}: {}\n".format(*peer, error))


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
