/**
 * Times and numbers as people read them, in the reader's zone.
 */

import { element } from "./element.js";

const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY_ONLY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const TIME_ONLY = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

/**
 * How far a time is from now, in words.
 */
export function fromNow(iso) {
  const seconds = (new Date(iso) - Date.now()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.trunc(seconds / size), unit);
  }
  return Math.abs(seconds) < 45 ? "just now" : RELATIVE.format(Math.sign(seconds), "minute");
}

function exact(iso) {
  return `${EXACT.format(new Date(iso))} (${iso})`;
}

/** A moment: relative, the exact time on hover. */
export function ago(iso) {
  return iso ? element("time", { datetime: iso, title: exact(iso) }, fromNow(iso)) : "never";
}

/** A moment: date and time, the exact one on hover. */
export function moment(iso) {
  return iso ? element("time", { datetime: iso, title: exact(iso) }, SHORT.format(new Date(iso))) : "never";
}

/** A time of day, the exact moment on hover. */
export function clock(iso) {
  return element("time", { datetime: iso, title: exact(iso) }, TIME_ONLY.format(new Date(iso)));
}

/** A day, the exact moment on hover. */
export function day(iso) {
  return iso ? element("time", { datetime: iso, title: exact(iso) }, DAY_ONLY.format(new Date(iso))) : "never";
}

const SIZES = [["year", 31536000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** A number of seconds in words, rounded to its largest unit. */
export function duration(seconds) {
  for (const [unit, size] of SIZES) {
    if (seconds >= size) {
      const count = Math.round(seconds / size);
      return `${count} ${unit}${count === 1 ? "" : "s"}`;
    }
  }
  return "0 seconds";
}

/** "1 site", "2 sites". */
export function plural(count, word, words = `${word}s`) {
  return `${count} ${count === 1 ? word : words}`;
}
