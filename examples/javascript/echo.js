// A UDP echo server by wasi:sockets, since JavaScript has no sockets of its own: `echo PORT`.

import { getArguments } from "wasi:cli/environment@0.2.0";
import { getStderr } from "wasi:cli/stderr@0.2.0";
import { getStdout } from "wasi:cli/stdout@0.2.0";
import { instanceNetwork } from "wasi:sockets/instance-network@0.2.0";
import { createUdpSocket } from "wasi:sockets/udp-create-socket@0.2.0";

// The engine, QuickJS, has no `console`, and no `TextEncoder`: what is written here is ASCII.
function write(stream, line) {
  stream.blockingWriteAndFlush(Uint8Array.from(`${line}\n`, (character) => character.charCodeAt(0)));
}

// HOST:PORT of an IPv4 socket address.
function named({ val: { address, port } }) {
  return `${address.join(".")}:${port}`;
}

function echo(port, stdout, stderr) {
  const socket = createUdpSocket("ipv4");
  socket.startBind(instanceNetwork(), { tag: "ipv4", val: { port, address: [0, 0, 0, 0] } });
  socket.finishBind();
  const [incoming, outgoing] = socket.stream(undefined);
  const [receivable, sendable] = [incoming.subscribe(), outgoing.subscribe()];
  write(stdout, `listening on ${named(socket.localAddress())}`);
  for (;;) {
    receivable.block();
    for (const { data, remoteAddress } of received(incoming)) {
      try {
        send(outgoing, sendable, { data, remoteAddress });
      } catch (error) {
        write(stderr, `cannot answer ${named(remoteAddress)}: ${error.payload ?? error}`);
      }
    }
  }
}

function send(outgoing, sendable, datagram) {
  // `send` takes no datagram where it would block.
  while (Number(outgoing.checkSend()) === 0 || Number(outgoing.send([datagram])) === 0) {
    sendable.block();
  }
}

function received(incoming) {
  try {
    // QuickJS takes each u64 as a Number, where other engines take a BigInt.
    return incoming.receive(64);
  } catch (error) {
    // An ICMP error for an earlier answer.
    if (error.payload === "connection-refused") return [];
    throw error;
  }
}

// What the component exports: wasi:cli/run, which has failed where it throws.
export const run = {
  run() {
    const [, port, ...others] = getArguments();
    const stderr = getStderr();
    if (!/^\d{1,5}$/.test(port) || port > 65535 || others.length > 0) {
      write(stderr, "usage: echo PORT");
      throw undefined;
    }
    try {
      echo(Number(port), getStdout(), stderr);
    } catch (error) {
      write(stderr, error.payload ?? error);
      throw undefined;
    }
  },
};
