// Byte strings: hex, joining, fixed-width integers. Integers are big-endian, as docs/FORMATS.md says.

import { keccak_256 } from '@noble/hashes/sha3.js';
import { sha256 as sha2 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';

export const concat = concatBytes;
export const utf8 = utf8ToBytes;
export const keccak256 = (data) => keccak_256(data);
export const sha256 = (data) => sha2(data);
export const hex = (data) => '0x' + bytesToHex(data);
export const ZERO32 = new Uint8Array(32);

export function fromHex(text) {
  return hexToBytes(text.startsWith('0x') ? text.slice(2) : text);
}

export function uint(value, size) {
  const number = BigInt(value);
  if (number < 0n || number >> BigInt(8 * size)) {
    throw new RangeError(`${value} doesn't fit ${size} bytes`);
  }
  return fromHex(number.toString(16).padStart(2 * size, '0'));
}

export function toBigInt(data) {
  return data.length ? BigInt(hex(data)) : 0n;
}

export function equal(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

export function randomBytes(size) {
  return crypto.getRandomValues(new Uint8Array(size));
}
