// Numbers for people, by the rules of vidscale/report/numbers.py: what the page shows is what the terminal shows.

export const NONE = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** `places` decimals, ties to even as Python rounds them (toFixed rounds them up). */
export function fixed(value, places) {
  const text = value.toFixed(places);
  const exact = Math.abs(value).toFixed(100).slice(0, 120);
  const cut = exact.indexOf(".") + 1 + places;
  if (!/^50*$/.test(exact.slice(cut).replace(".", "")) || Number(exact[places ? cut - 1 : cut - 2]) % 2) return text;
  const kept = exact.slice(0, places ? cut : cut - 1);
  return (value < 0 ? "-" : "") + kept;
}

/** A number to some significant digits, never in exponent notation between 1e-4 and 1e7. */
export function plain(value, digits = 3) {
  if (!known(value)) return NONE;
  if (value === 0) return "0";
  const power = Math.floor(Math.log10(Math.abs(value)));
  if (power < -4 || power >= 7) {
    return value.toExponential(digits - 1).replace("e+", "e");
  }
  const places = digits - 1 - power;
  const rounded = places < 0 ? roundTo(value, places) : value;
  const text = fixed(rounded, Math.max(places, 0));
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

function roundTo(value, places) {
  const unit = 10 ** -places;
  return Number(fixed(value / unit, 0)) * unit;
}

function scaled(value, scales) {
  if (!known(value)) return NONE;
  for (const [size, letter] of scales) {
    if (value >= size * (1 - 1e-12)) return `${plain(value / size, 4)}${letter}`;
  }
  return plain(value, 4);
}

/** Parameters of a model: 7.5B, 973M. */
export const params = (value) => scaled(value, [[1e9, "B"], [1e6, "M"], [1e3, "k"]]);

/** Finetuning examples: 250k, 1M. */
export const examples = (value) => scaled(value, [[1e9, "G"], [1e6, "M"], [1e3, "k"]]);

const UNITS = {
  FLOPs: { shown: "TFLOPs", scale: 1e12, per: "TFLOPs per video" },
  s: { shown: "ms", scale: 1e-3, per: "ms per request" },
  "GPU-s": { shown: "GPU-ms", scale: 1e-3, per: "GPU-ms per video" },
  "USD per million videos": { shown: "$ per 1M videos", scale: 1, per: "$ per million videos" },
  bytes: { shown: "GB", scale: 1e9, per: "GB" },
};
const SMALLER = [["GFLOPs", 1e9, 1e8], ["MFLOPs", 1e6, 0]];
const LEAST_TERA = 5e11;
const DOLLARS = "USD per million videos";

/** The unit that amounts are shown in; FLOPs of small models in GFLOPs or MFLOPs, by the largest that is compared. */
export function unit(name, largest = null) {
  if (name === "FLOPs" && largest !== null && largest > 0 && largest < LEAST_TERA) {
    const [shown, scale] = SMALLER.find(([, , least]) => largest >= least);
    return { shown, scale, per: `${shown} per video` };
  }
  return UNITS[name] ?? { shown: name, scale: 1, per: name };
}

/** An amount of cost without its unit; `of` is a unit or the name of one. */
export function amount(value, of) {
  const shown = typeof of === "string" ? unit(of) : of;
  return known(value) ? plain(value / shown.scale, 4) : NONE;
}

/** An amount with its unit: "15 TFLOPs", "250 ms", "$20 per million videos". */
export function withUnit(value, name) {
  const shown = unit(name, value);
  return name === DOLLARS ? `$${amount(value, shown)} per million videos` : `${amount(value, shown)} ${shown.shown}`;
}

/** A probability in per cent from a finite number of draws, which never show certainty. */
export function chance(probability) {
  if (!known(probability)) return NONE;
  const text = fixed(100 * probability, 0);
  return { 100: ">99", 0: "<1" }[text] ?? text;
}

/** A fraction as a percentage, without the sign. */
export const percent = (fraction, digits = 3) => (known(fraction) ? plain(100 * fraction, digits) : NONE);

function decimals(half) {
  if (!(Number.isFinite(half) && half > 0)) return 12;
  return Math.min(Math.max(1 - Math.floor(Math.log10(half) + 1e-12), 0), 12);
}

/** {value, low, high} as texts, rounded to two digits of the half-width of the interval. */
export function interval(value, low, high, scale = 100) {
  if (!known(value)) return { value: NONE, low: NONE, high: NONE };
  if (!known(low) || !known(high)) return { value: plain(value * scale), low: NONE, high: NONE };
  const [v, l, h] = [value * scale, low * scale, high * scale];
  const half = (h - l) / 2;
  const by = (write) => ({ value: write(v), low: write(l), high: write(h) });
  if (!(half > 1e-9 * Math.max(Math.abs(v), Math.abs(h)))) return by((x) => plain(x, 4));
  if (l > 0 && h / l > 10) return by((x) => plain(x, 2));
  const most = Math.max(Math.abs(h), Math.abs(l));
  if (Math.max(Math.abs(v), most) >= 1e7 || most < 1e-4) {
    const digits = Math.max(Math.floor(Math.log10(most)) - Math.floor(Math.log10(half)) + 2, 1);
    return by((x) => plain(x, digits));
  }
  return by((x) => fixed(x, decimals(half)));
}

/** A name from the study as words: `fine_detail` reads "fine detail". */
export const words = (name) => String(name).replaceAll("_", " ");

/** A number as short as it goes in a URL, exact to the last bit. */
export function compact(value) {
  const whole = String(value);
  const power = value.toExponential().replace("e+", "e");
  return power.length < whole.length ? power : whole;
}
