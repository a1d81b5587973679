import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as dagCbor from '@ipld/dag-cbor';
import sodium from 'libsodium-wrappers';
import { fromHex, hex } from '../src/bytes.js';
import { openingBlock, openingText, sealOpening } from '../src/opening.js';
import { golden } from './golden.js';

test('the sealed text and the block have the bytes of the golden vectors', () => {
  for (const { answers, seed, bytes } of golden.openingTexts) {
    assert.equal(hex(openingText(answers.map((text) => JSON.parse(text)), fromHex(seed))), bytes);
  }
  for (const vector of golden.openings) {
    const boxes = vector.boxes.map((box) => [fromHex(box.encryptionKey), fromHex(box.sealed)]);
    const { block, digest } = openingBlock(boxes);
    assert.equal(hex(block), vector.bytes);
    assert.equal(digest, vector.digest);
  }
});

test('each operator opens its own box, and boxes are sorted by key', async () => {
  await sodium.ready;
  const pairs = [sodium.crypto_box_keypair(), sodium.crypto_box_keypair(), sodium.crypto_box_keypair()];
  const seed = new Uint8Array(32).fill(9);
  const { block } = await sealOpening(['7', '猫'], seed, pairs.map((pair) => hex(pair.publicKey)));
  const { boxes } = dagCbor.decode(block);
  const keys = boxes.map(([key]) => hex(key));
  assert.deepEqual(keys, [...keys].sort());
  for (const pair of pairs) {
    const [, sealed] = boxes.find(([key]) => hex(key) === hex(pair.publicKey));
    const text = sodium.crypto_box_seal_open(sealed, pair.publicKey, pair.privateKey);
    assert.deepEqual(dagCbor.decode(text), { answers: ['"7"', '"猫"'], seed });
  }
});
