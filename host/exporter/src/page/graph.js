// The graph of a target's last pings: round-trip times, and losses marked.

import { ms, percent, time } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 260;
const LEFT = 64;
const RIGHT = 12;
const TOP = 24;
/** Below the axis: the lane of losses, and the times. */
const BOTTOM = 46;
const LANE = 12;

/** Where the maximum is more than so many times the median, the axis is logarithmic. */
const WIDE = 5;

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];

function element(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  if (text !== undefined) {
    made.textContent = text;
  }
  parent.append(made);
  return made;
}

/** Multiples of 1, 2 or 5 times a power of ten, from 0 to `end`, at most `most`. */
function roundTicks(end, most) {
  const power = 10 ** Math.floor(Math.log10(end / most));
  const step = [1, 2, 5, 10].map((times) => times * power).find((step) => end / step <= most);
  return Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, index) => index * step);
}

/** 1, 2 and 5 times powers of ten between `start` and `end`, or the powers alone. */
function powerTicks(start, end) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(start)); power <= Math.log10(end); power += 1) {
    ticks.push(...[1, 2, 5].map((times) => times * 10 ** power));
  }
  const within = ticks.filter((tick) => start <= tick && tick <= end);
  const powers = within.filter((tick) => Number.isInteger(Math.round(Math.log10(tick) * 1e9) / 1e9));
  return within.length > 8 && powers.length > 1 ? powers : within;
}

/** The vertical axis: where a time in ms is, from 0 to 1, and its ticks. */
function vertical(rtts) {
  const sorted = rtts.toSorted((a, b) => a - b);
  const [low, high] = [sorted[0] ?? 0, sorted.at(-1) ?? 1];
  const median = sorted[Math.floor(sorted.length / 2)] ?? high;
  if (high > WIDE * median && low > 0) {
    const [start, end] = [low / 1.2, high * 1.2];
    const place = (value) => Math.log(value / start) / Math.log(end / start);
    return { place, ticks: powerTicks(start, end), label: "RTT, ms (log scale)" };
  }
  const end = high * 1.1;
  return { place: (value) => value / end, ticks: roundTicks(end, 5), label: "RTT, ms" };
}

const tickText = (tick) => Number(tick.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 6 });

export class Graph {
  #svg;
  #readout;
  /** The pings in the order in which they were sent: `[ms since 1970, RTT in ns or null]`. */
  #pings = [];
  #now = 0;
  /** When the ping at the cursor was sent, if there is a cursor. */
  #cursor = null;
  #x = () => 0;

  constructor(svg, readout) {
    this.#svg = svg;
    this.#readout = readout;
    new ResizeObserver(() => this.#draw()).observe(svg);
    svg.addEventListener("pointermove", (event) => this.#point(event));
    svg.addEventListener("pointerleave", () => this.#moveTo(null));
    svg.addEventListener("blur", () => this.#moveTo(null));
    svg.addEventListener("keydown", (event) => this.#step(event));
  }

  /** Shows the pings of a target, as of `now`. */
  update(pings, now) {
    this.#pings = pings.toSorted((a, b) => a[0] - b[0]);
    this.#now = now;
    this.#draw();
  }

  /** Shows nothing, until there is something. */
  clear() {
    this.#cursor = null;
    this.update([], 0);
  }

  #draw() {
    const svg = this.#svg;
    const width = Math.max(svg.clientWidth, 240);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.replaceChildren();
    const pings = this.#pings;
    const rtts = pings.filter(([, rtt]) => rtt !== null).map(([, rtt]) => rtt / 1e6);
    const lost = pings.length - rtts.length;
    svg.setAttribute(
      "aria-label",
      pings.length === 0
        ? "Round-trip times: no ping yet"
        : `Round-trip times of the last ${pings.length} pings, ${lost} of them lost. Arrow keys go from ping to ping.`,
    );
    if (pings.length === 0) {
      element(svg, "text", { x: width / 2, y: HEIGHT / 2, class: "middle" }, "no ping yet");
      this.#say();
      return;
    }

    const right = width - RIGHT;
    const bottom = HEIGHT - BOTTOM;
    const start = pings[0][0];
    const end = Math.max(this.#now, pings.at(-1)[0], start + 1000);
    this.#x = (at) => LEFT + ((at - start) / (end - start)) * (right - LEFT);
    const { place, ticks, label } = vertical(rtts);
    const y = (value) => bottom - place(value) * (bottom - TOP);

    const grid = element(svg, "g", { class: "grid" });
    for (const tick of rtts.length > 0 ? ticks : []) {
      element(grid, "line", { x1: LEFT, x2: right, y1: y(tick), y2: y(tick) });
      element(grid, "text", { x: LEFT - 8, y: y(tick) + 4, class: "end" }, tickText(tick));
    }
    this.#drawTimes(grid, start, end, right, bottom);
    element(svg, "text", { x: 4, y: 14 }, label);
    element(svg, "text", { x: LEFT - 8, y: bottom + LANE + 3, class: "end" }, "lost");
    if (rtts.length === 0) {
      const at = { x: (LEFT + right) / 2, y: (TOP + bottom) / 2, class: "middle" };
      element(svg, "text", at, "no reply");
    }

    const losses = element(svg, "g", { class: "losses" });
    let path = "";
    let isJoined = false;
    const dots = element(svg, "g", { class: "dots" });
    for (const [sent, rtt] of pings) {
      const x = this.#x(sent);
      if (rtt === null) {
        // A line through the graph, and a cross below it.
        element(losses, "line", { x1: x, x2: x, y1: TOP, y2: bottom });
        const [high, low] = [bottom + LANE - 4, bottom + LANE + 4];
        element(losses, "path", {
          d: `M${x - 4} ${high}L${x + 4} ${low}M${x - 4} ${low}L${x + 4} ${high}`,
        });
        isJoined = false;
        continue;
      }
      path += `${isJoined ? "L" : "M"}${x.toFixed(1)} ${y(rtt / 1e6).toFixed(1)}`;
      isJoined = true;
      element(dots, "circle", { cx: x, cy: y(rtt / 1e6), r: pings.length > 120 ? 1.5 : 2.5 });
    }
    element(svg, "path", { d: path, class: "line" });
    this.#drawCursor(bottom);
    this.#say();
  }

  #drawTimes(grid, start, end, right, bottom) {
    const most = Math.max(3, Math.floor((right - LEFT) / 90));
    const step = STEPS.find((step) => (end - start) / 1000 / step <= most) ?? 86400;
    // Multiples in the reader's own time zone.
    const zone = new Date(start).getTimezoneOffset() * 60_000;
    const first = Math.ceil((start - zone) / 1000 / step) * step * 1000 + zone;
    for (let at = first; at <= end; at += step * 1000) {
      const x = this.#x(at);
      element(grid, "line", { x1: x, x2: x, y1: TOP, y2: bottom });
      const anchor = x > right - 30 ? "end" : x < LEFT + 30 ? "" : "middle";
      element(grid, "text", { x, y: HEIGHT - 8, class: anchor }, time(at));
    }
  }

  #drawCursor(bottom) {
    if (this.#cursor !== null) {
      const x = this.#x(this.#cursor);
      element(this.#svg, "line", { x1: x, x2: x, y1: TOP - 6, y2: bottom + 2 * LANE, class: "cursor" });
    }
  }

  /** Says what became of the ping at the cursor. */
  #say() {
    const found = this.#pings.find(([sent]) => sent === this.#cursor);
    if (!found) {
      const lost = this.#pings.filter(([, rtt]) => rtt === null).length;
      const all = this.#pings.length;
      const summary =
        all === 0 ? "" : `last ${all} pings: ${lost} lost (${percent(lost, all)}); times are local`;
      this.#readout.textContent = summary;
      return;
    }
    const [sent, rtt] = found;
    this.#readout.textContent = `${time(sent)}: ${rtt === null ? "lost" : `${ms(rtt)} ms`}`;
  }

  #moveTo(sent) {
    if (this.#cursor !== sent) {
      this.#cursor = sent;
      this.#draw();
    }
  }

  #point(event) {
    const x = event.clientX - this.#svg.getBoundingClientRect().left;
    let nearest = null;
    let least = Infinity;
    for (const [sent] of this.#pings) {
      const distance = Math.abs(this.#x(sent) - x);
      if (distance < least) {
        [nearest, least] = [sent, distance];
      }
    }
    this.#moveTo(nearest);
  }

  #step(event) {
    const last = this.#pings.length - 1;
    const at = this.#pings.findIndex(([sent]) => sent === this.#cursor);
    const next = {
      ArrowLeft: at < 0 ? last : Math.max(at - 1, 0),
      ArrowRight: at < 0 ? last : Math.min(at + 1, last),
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape") {
      this.#moveTo(null);
    } else if (next !== undefined && last >= 0) {
      event.preventDefault();
      this.#moveTo(this.#pings[next][0]);
    }
  }
}
