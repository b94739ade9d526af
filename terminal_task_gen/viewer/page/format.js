// Numbers, times and sizes for people. null is always "–": not known.

const UNKNOWN = "–";
const WHOLE = new Intl.NumberFormat("en-US");

export function count(value) {
  return value === null || value === undefined ? UNKNOWN : WHOLE.format(value);
}

/** 950, 1.4 k, 20 k, 3.1 M. */
export function short(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (value < 1000) return String(Math.round(value));
  const [unit, size] = value < 1e6 ? ["k", 1e3] : value < 1e9 ? ["M", 1e6] : ["G", 1e9];
  const scaled = value / size;
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${unit}`;
}

export function percent(part, whole) {
  if (!whole || part === null || part === undefined) return UNKNOWN;
  const share = (100 * part) / whole;
  return `${share > 0 && share < 1 ? share.toFixed(1) : share < 100 && share > 99 ? share.toFixed(1) : Math.round(share)} %`;
}

export function fixed(value, digits = 2) {
  return value === null || value === undefined ? UNKNOWN : value.toFixed(digits);
}

/** A duration in seconds as 0.85 s, 12.3 s, 4:05 or 1:02:03. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds);
}

/** A point of time in a recording: 0:07, 1:02:03; below a minute with tenths. */
export function clock(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const whole = Math.floor(seconds);
  const pad = (value) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours) return `${hours}:${pad(minutes)}:${pad(rest)}`;
  return seconds < 60 ? `0:${pad(rest)}.${Math.floor((seconds - whole) * 10)}` : `${minutes}:${pad(rest)}`;
}

export function bytes(size) {
  if (size === null || size === undefined) return UNKNOWN;
  if (size < 1000) return `${size} B`;
  return size < 1e6 ? `${(size / 1e3).toFixed(size < 1e4 ? 1 : 0)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

export function money(dollars) {
  return dollars ? `$${dollars < 1 ? dollars.toFixed(4) : dollars.toFixed(2)}` : UNKNOWN;
}

export function plural(number, word, many = `${word}s`) {
  return `${count(number)} ${number === 1 ? word : many}`;
}
