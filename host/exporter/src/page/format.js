// Numbers and times as text.

/** A number with thousands apart. */
export const count = (number) => number.toLocaleString("en");

/** A time in ns as ms, with three digits that count, or as a dash where there is none. */
export function ms(ns) {
  if (ns === null) {
    return "–";
  }
  const value = ns / 1e6;
  const decimals = value < 10 ? 3 : value < 100 ? 2 : value < 1000 ? 1 : 0;
  return value.toLocaleString("en", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

/** A share as a percentage; one that is not nothing does not look like nothing. */
export function percent(part, all) {
  if (all === 0) {
    return "–";
  }
  const value = (100 * part) / all;
  return `${value.toFixed(value > 0 && value < 0.1 ? 2 : 1)} %`;
}

/** The time of day, in the reader's time zone. */
export function time(ms) {
  const at = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** The name of a target. */
export const name = (target) => `${target.host}:${target.port}`;

/** Sets the text of an element, which is never markup. */
export function say(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
