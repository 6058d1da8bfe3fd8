"""Runs a program on a terminal, and prints what it writes there.

Usage: terminal.py COLUMNS[,COLUMNS_AFTER_A_SECOND_LINE] PROGRAM ARGUMENTS...

The second width is set when the program has rewritten a line three times; "<resized>" is printed there.
"""

import fcntl
import os
import pty
import struct
import sys
import termios

widths = [int(width) for width in sys.argv[1].split(",")]


def resize(terminal, width):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))


# The size is there before the program is.
ours, theirs = pty.openpty()
resize(theirs, widths[0])
child = os.fork()
if child == 0:
    os.close(ours)
    os.login_tty(theirs) if hasattr(os, "login_tty") else (os.setsid(), [os.dup2(theirs, number) for number in range(3)])
    os.execvp(sys.argv[2], sys.argv[2:])
os.close(theirs)
text = b""
while True:
    try:
        part = os.read(ours, 4096)
    except OSError:
        # Linux says EIO when nobody has the other end open any more.
        break
    if not part:
        break
    text += part
    if len(widths) > 1 and text.count(b"\r\x1b[K") >= 3:
        resize(ours, widths.pop())
        text += b"<resized>"
sys.stdout.buffer.write(text)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
