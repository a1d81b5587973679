import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, hex } from '../src/bytes.js';
import { digest, STRUCTS, typedData } from '../src/eip712.js';
import { addressOf, checksum, personalDigest, recover, sign } from '../src/signing.js';
import { golden, named } from './golden.js';

for (const name of Object.keys(STRUCTS)) {
  test(`${name}: digest, signature and typed data equal the golden vectors`, () => {
    const vectors = named(golden.structs, name);
    assert.ok(vectors.length);
    for (const vector of vectors) {
      const key = fromHex(golden.keys[vector.signer].privateKey);
      const signed = digest(vector.domain, name, vector.fields);
      assert.equal(hex(signed), vector.digest);
      assert.equal(hex(sign(key, signed)), vector.signature);
      assert.equal(recover(signed, fromHex(vector.signature)), golden.keys[vector.signer].address);
      assert.deepEqual(typedData(vector.typedData.domain, name, vector.fields), vector.typedData);
    }
  });
}

test('a value that does not fit its type is refused', () => {
  const { domain, fields } = named(golden.structs, 'Head')[0];
  for (const wrong of [{ position: String(2n ** 64n) }, { head: '0x00' }, { position: '-1' }]) {
    assert.throws(() => digest(domain, 'Head', { ...fields, ...wrong }), RangeError);
  }
});

test('addresses follow from keys, in the checksum of EIP-55', () => {
  for (const { privateKey, address } of Object.values(golden.keys)) {
    assert.equal(addressOf(fromHex(privateKey)), address);
  }
  // The first example of EIP-55.
  const example = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
  assert.equal(checksum(example.toLowerCase()), example);
});

test('a signature recovers to nobody else after any change', () => {
  const key = fromHex(golden.keys.contributor.privateKey);
  const signed = personalDigest(new TextEncoder().encode('sign in'));
  const signature = sign(key, signed);
  assert.equal(recover(signed, signature), addressOf(key));
  assert.notEqual(recover(personalDigest(new TextEncoder().encode('sign out')), signature), addressOf(key));
  assert.throws(() => recover(signed, signature.slice(1)), TypeError);
});
