// The UDP Pinger of Kurose and Ross's textbook by wasi:sockets, since JavaScript has no sockets of
// its own: `pinger HOST:PORT`.

import { getArguments } from "wasi:cli/environment@0.2.0";
import { getStderr } from "wasi:cli/stderr@0.2.0";
import { getStdout } from "wasi:cli/stdout@0.2.0";
import { now, subscribeDuration } from "wasi:clocks/monotonic-clock@0.2.0";
import { poll } from "wasi:io/poll@0.2.0";
import { instanceNetwork } from "wasi:sockets/instance-network@0.2.0";
import { resolveAddresses } from "wasi:sockets/ip-name-lookup@0.2.0";
import { createUdpSocket } from "wasi:sockets/udp-create-socket@0.2.0";

const PINGS = 10;
// Nanoseconds. QuickJS takes each u64 as a Number, where other engines take a BigInt.
const TIMEOUT = 1e9;

// The engine, QuickJS, has no `console`, and no `TextEncoder`: what is written and sent here is ASCII.
const encoded = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const decoded = (bytes) => String.fromCharCode(...bytes);
const write = (stream, line) => stream.blockingWriteAndFlush(encoded(`${line}\n`));

// The IPv4 address of `host`.
function resolved(host) {
  // Not every runtime permits to resolve what already is an address.
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host)) return host.split(".").map(Number);
  using addresses = resolveAddresses(instanceNetwork(), host);
  using ready = addresses.subscribe();
  for (;;) {
    try {
      const address = addresses.resolveNextAddress();
      if (address === undefined) throw new Error("it has no IPv4 address");
      if (address.tag === "ipv4") return address.val;
    } catch (error) {
      if (error.payload !== "would-block") throw error;
      ready.block();
    }
  }
}

function pinger(server, host, port, stdout) {
  const address = resolved(host);
  // Handles of streams and pollables must be closed before those that they come from.
  using socket = createUdpSocket("ipv4");
  socket.startBind(instanceNetwork(), { tag: "ipv4", val: { port: 0, address: [0, 0, 0, 0] } });
  socket.finishBind();
  const streams = socket.stream({ tag: "ipv4", val: { port, address } });
  using incoming = streams[0];
  using outgoing = streams[1];
  using receivable = incoming.subscribe();
  using sendable = outgoing.subscribe();
  const rtts = [];
  for (let seq = 1; seq <= PINGS; seq++) {
    const request = `Ping ${seq} ${(Date.now() / 1e3).toFixed(6)}`;
    const sent = Number(now());
    send(outgoing, sendable, { data: encoded(request), remoteAddress: undefined });
    const isReply = ({ data }) => decoded(data).toLowerCase() === request.toLowerCase();
    if (isReceived(incoming, receivable, isReply, sent + TIMEOUT)) {
      rtts.push((Number(now()) - sent) / 1e6);
      write(stdout, `${server}: seq=${seq} rtt=${rtts.at(-1).toFixed(3)} ms`);
    } else {
      write(stdout, `${server}: seq=${seq} lost`);
    }
  }
  write(stdout, `${PINGS} sent, ${rtts.length} received, ${PINGS - rtts.length} lost`);
  if (rtts.length > 0) {
    const average = rtts.reduce((sum, rtt) => sum + rtt) / rtts.length;
    const figures = [Math.min(...rtts), average, Math.max(...rtts)].map((rtt) => rtt.toFixed(3));
    write(stdout, `rtt min/avg/max = ${figures.join("/")} ms`);
  }
}

function send(outgoing, sendable, datagram) {
  // `send` takes no datagram where it would block.
  while (Number(outgoing.checkSend()) === 0 || Number(outgoing.send([datagram])) === 0) {
    sendable.block();
  }
}

// Waits for a datagram that `isReply`: replies to earlier pings, which were late, are not it.
function isReceived(incoming, receivable, isReply, timeout) {
  for (let left; (left = timeout - Number(now())) > 0; ) {
    using expired = subscribeDuration(left);
    poll([receivable, expired]);
    try {
      if (incoming.receive(64).some(isReply)) return true;
    } catch (error) {
      // An ICMP error is not a reply, either.
      if (error.payload !== "connection-refused") throw error;
    }
  }
  return false;
}

// What the component exports: wasi:cli/run, which has failed where it throws.
export const run = {
  run() {
    const [, server = "", ...others] = getArguments();
    const [, host, port] = /^(.+):(\d{1,5})$/.exec(server) ?? [];
    const stderr = getStderr();
    if (port === undefined || port > 65535 || others.length > 0) {
      write(stderr, "usage: pinger HOST:PORT");
      throw undefined;
    }
    try {
      pinger(server, host, Number(port), getStdout());
    } catch (error) {
      write(stderr, `${server}: ${error.payload ?? error}`);
      throw undefined;
    }
  },
};
