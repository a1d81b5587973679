// secp256k1 signatures as Ethereum writes them: 65 bytes r‖s‖v, v 27 or 28, s in the lower half.

import { secp256k1 } from '@noble/curves/secp256k1.js';
import { concat, hex, keccak256, utf8 } from './bytes.js';

export function newPrivateKey() {
  return secp256k1.utils.randomSecretKey();
}

export function addressOf(privateKey) {
  return addressOfPoint(secp256k1.getPublicKey(privateKey, false));
}

export function sign(privateKey, digest) {
  const signature = secp256k1.sign(digest, privateKey, { prehash: false, format: 'recovered' });
  return concat(signature.slice(1), Uint8Array.of(27 + signature[0]));
}

/** The address that signed `digest`; throws where the signature is of no key. */
export function recover(digest, signature) {
  const v = signature[64];
  if (signature.length !== 65 || (v !== 27 && v !== 28)) {
    throw new TypeError('a signature is 65 bytes r‖s‖v with v 27 or 28');
  }
  const recovered = concat(Uint8Array.of(v - 27), signature.slice(0, 64));
  const point = secp256k1.recoverPublicKey(recovered, digest, { prehash: false });
  return addressOfPoint(secp256k1.Point.fromBytes(point).toBytes(false));
}

/** EIP-191, what personal_sign signs. */
export function personalDigest(message) {
  return keccak256(concat(utf8(`\x19Ethereum Signed Message:\n${message.length}`), message));
}

/** EIP-55 text of an address. */
export function checksum(address) {
  const text = address.slice(2).toLowerCase();
  const mask = hex(keccak256(utf8(text))).slice(2);
  return '0x' + [...text].map((letter, at) => (parseInt(mask[at], 16) > 7 ? letter.toUpperCase() : letter)).join('');
}

function addressOfPoint(uncompressed) {
  return hex(keccak256(uncompressed.slice(1)).slice(12));
}
