// EIP-712: the structs of docs/FORMATS.md, section 2, that a browser signs or checks.

import { concat, fromHex, keccak256, uint, utf8 } from './bytes.js';

export const STRUCTS = {
  Delegation:
    'address contributor,address sessionKey,uint256 campaign,uint64 generation,uint64 validUntil,bytes32 consent',
  Submission:
    'address contributor,uint256 campaign,uint64 sequence,bytes32 guideline,uint32[] items,bytes32[] labels,bytes32 opening,uint64 submittedAt',
  Appeal: 'address contributor,uint256 campaign,bytes32 submission,uint16 index,bytes32 reason',
  Adjudication: 'address expert,uint256 campaign,bytes32 item,bytes32 answerDigest,bytes32 reason',
  Confirmation: 'uint256 campaign,uint64 position,bytes32 entry,bytes32 head',
  Acknowledgement: 'uint256 campaign,bytes32 entry,uint64 epoch',
  Head: 'uint256 campaign,uint64 position,bytes32 entry,bytes32 head',
};

const DOMAIN = 'string name,string version,uint256 chainId,address verifyingContract';

const members = (fields) =>
  fields.split(',').map((member) => {
    const [type, name] = member.split(' ');
    return { name, type };
  });

// Addresses, digests and digests' lists are hex texts here, as eth_signTypedData_v4 has them.
function encode(type, value) {
  if (type === 'string') return keccak256(utf8(value));
  if (type.endsWith('[]')) {
    return keccak256(concat(...value.map((part) => encode(type.slice(0, -2), part))));
  }
  if (type === 'address') return concat(new Uint8Array(12), sized(value, 20));
  if (type === 'bytes32') return sized(value, 32);
  const bits = Number(type.slice('uint'.length));
  if (BigInt(value) >> BigInt(bits)) throw new RangeError(`${value} is no ${type}`);
  return uint(value, 32);
}

function sized(text, size) {
  const data = fromHex(text);
  if (data.length !== size) throw new RangeError(`expected ${size} bytes, got ${data.length}`);
  return data;
}

function hashStruct(name, fields, message) {
  const typeHash = keccak256(utf8(`${name}(${fields})`));
  return keccak256(
    concat(typeHash, ...members(fields).map((member) => encode(member.type, message[member.name]))),
  );
}

/** The domain of a contract, by default the escrow. */
export function domainOf(network, contract = network.escrow) {
  return { name: 'DDLP', version: '1', chainId: network.chainId, verifyingContract: contract };
}

/** The 32 bytes that are signed. */
export function digest(domain, name, message) {
  return keccak256(
    concat(
      Uint8Array.of(0x19, 0x01),
      hashStruct('EIP712Domain', DOMAIN, domain),
      hashStruct(name, STRUCTS[name], message),
    ),
  );
}

/** The argument of eth_signTypedData_v4. */
export function typedData(domain, name, message) {
  const types = { EIP712Domain: members(DOMAIN), [name]: members(STRUCTS[name]) };
  return { types, primaryType: name, domain, message };
}
