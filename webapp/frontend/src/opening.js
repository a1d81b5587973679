// The opening of a submission, sealed to every operator (docs/FORMATS.md, section 5).

import * as dagCbor from '@ipld/dag-cbor';
import sodium from 'libsodium-wrappers';
import { fromHex, hex, sha256 } from './bytes.js';
import { canonicalJson } from './canonical.js';

/** Seals answers and seed to each operator key (hex); returns the block's bytes and its digest. */
export async function sealOpening(answers, seed, operatorKeys) {
  await sodium.ready;
  const text = openingText(answers, seed);
  const keys = [...operatorKeys].sort().map(fromHex); // Hex sorts as its bytes do.
  return openingBlock(keys.map((key) => [key, sodium.crypto_box_seal(text, key)]));
}

/** What each operator reads in its box. */
export function openingText(answers, seed) {
  return dagCbor.encode({ answers: answers.map(canonicalJson), seed });
}

export function openingBlock(boxes) {
  const block = dagCbor.encode({ v: 1, kind: 'opening', boxes });
  return { block, digest: hex(sha256(block)) };
}
