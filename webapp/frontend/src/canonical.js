// Canonical JSON (RFC 8785) without floats: what answers, manifests and consent are hashed as.

import { sha256, utf8 } from './bytes.js';

export function canonicalJson(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    // The default sort compares UTF-16 code units, which is the order that RFC 8785 asks for.
    const members = Object.keys(value).sort();
    return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new TypeError(`${value} can't be hashed: write it as an integer below 2^53, or as text`);
  }
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw new TypeError('a text with half a surrogate pair has no canonical form');
  }
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`JSON has no ${typeof value}`);
  return text;
}

export function answerDigest(answer) {
  return sha256(utf8(canonicalJson(answer)));
}
