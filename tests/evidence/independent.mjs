// Other people's implementations, asked line by line: a JSON request in, a JSON answer out.
import { createInterface } from "node:readline";
import { encode } from "@ipld/dag-cbor";
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { CID } from "multiformats/cid";

const hex = (bytes) => Buffer.from(bytes).toString("hex");

// The notation of tests/evidence/golden/vectors.py.
function typed(value) {
  if (value === null || typeof value === "boolean") return value;
  if ("int" in value) {
    const integer = BigInt(value.int);
    return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
  }
  if ("text" in value) return value.text;
  if ("bytes" in value) return Uint8Array.from(Buffer.from(value.bytes.slice(2), "hex"));
  if ("link" in value) return CID.parse(value.link);
  if ("list" in value) return value.list.map(typed);
  return Object.fromEntries(value.map.map(([key, part]) => [key, typed(part)]));
}

// RFC 8785 is defined by what ECMAScript's JSON.stringify and sort do.
function canonical(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const member = (key) => `${JSON.stringify(key)}:${canonical(value[key])}`;
  return `{${Object.keys(value).sort().map(member).join()}}`;
}

const answers = {
  cbor: ({ value }) => hex(encode(typed(value))),
  json: ({ value }) => hex(Buffer.from(canonical(value), "utf8")),
  tree: ({ values, types }) => {
    const tree = StandardMerkleTree.of(values, types);
    return { root: tree.root, proofs: values.map((_, index) => tree.getProof(index)) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(answers[request.ask](request))}\n`);
}
