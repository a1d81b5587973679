// Wallets: discovery (EIP-6963, window.ethereum as fallback), the development wallet, and what a wallet is asked for (EIP-1193).

import { fromHex, hex, utf8 } from './bytes.js';
import { digest } from './eip712.js';
import { addressOf, checksum, newPrivateKey, personalDigest, recover, sign } from './signing.js';
import { Storage } from './storage.js';

const ANNOUNCE_MS = 400;
const EXPLANATIONS = {
  4001: 'You declined in your wallet. Nothing happened; press the button again when you are ready.',
  4100: "Your wallet doesn't let this page use that account. Unlock it, allow this site, and try again.",
  4200: "Your wallet can't do this. Use another wallet.",
  4900: 'Your wallet is disconnected. Open it, unlock it, and try again.',
  4901: "Your wallet isn't connected to this chain. Choose the chain in your wallet and try again.",
  4902: 'Your wallet does not know this chain. Add it in your wallet and try again.',
  '-32002': 'Your wallet is waiting for you. Open it and answer its question.',
};

/** Calls `found(wallet)` for each wallet, also those that announce themselves late. */
export function discover(found) {
  const seen = new Set();
  const announce = ({ info, provider }) => {
    if (seen.has(info.uuid)) return;
    seen.add(info.uuid);
    found({ id: info.rdns, name: info.name, icon: info.icon, provider });
  };
  window.addEventListener('eip6963:announceProvider', (event) => announce(event.detail));
  window.dispatchEvent(new Event('eip6963:requestProvider'));
  setTimeout(() => {
    if (!seen.size && window.ethereum) {
      announce({ info: { uuid: 'window', rdns: 'window.ethereum', name: 'Browser wallet', icon: '' }, provider: window.ethereum });
    }
  }, ANNOUNCE_MS);
}

/** A wallet for development chains only: its key lies unprotected in this browser. */
export function developmentWallet(network) {
  const storage = new Storage('development-wallet');
  const key = () => {
    let text = storage.get('key');
    if (!text) {
      text = hex(newPrivateKey());
      storage.set('key', text);
    }
    return fromHex(text);
  };
  const methods = {
    eth_requestAccounts: () => [addressOf(key())],
    eth_accounts: () => [addressOf(key())],
    eth_chainId: () => '0x' + network.chainId.toString(16),
    personal_sign: ([message]) => hex(sign(key(), personalDigest(fromHex(message)))),
    eth_signTypedData_v4: ([, text]) => {
      const { domain, primaryType, message } = JSON.parse(text);
      return hex(sign(key(), digest(domain, primaryType, message)));
    },
  };
  const provider = {
    async request({ method, params }) {
      if (!methods[method]) throw Object.assign(new Error(method), { code: 4200 });
      return methods[method](params);
    },
  };
  return { id: 'development', name: 'Development wallet', icon: '', provider };
}

async function ask(wallet, method, params) {
  try {
    return await wallet.provider.request({ method, params });
  } catch (error) {
    const explanation = EXPLANATIONS[error?.code] ?? 'Your wallet reported an error. Open it, check that it is unlocked, and try again.';
    throw Object.assign(new Error(explanation, { cause: error }), { code: error?.code });
  }
}

/** Opens the wallet and returns the account it chose, lower-case. */
export async function connect(wallet) {
  const accounts = await ask(wallet, 'eth_requestAccounts');
  if (!accounts?.length) throw new Error('Your wallet shared no account. Allow one for this site and try again.');
  return accounts[0].toLowerCase();
}

/** The account in use if the wallet shares it without asking; null otherwise. */
export async function currentAccount(wallet) {
  const accounts = await ask(wallet, 'eth_accounts');
  return accounts?.[0]?.toLowerCase() ?? null;
}

async function useChain(wallet, network) {
  const wanted = '0x' + network.chainId.toString(16);
  if (BigInt(await ask(wallet, 'eth_chainId')) === BigInt(network.chainId)) return;
  try {
    await ask(wallet, 'wallet_switchEthereumChain', [{ chainId: wanted }]);
  } catch (error) {
    if (error.code === 4001) throw error;
    throw new Error(`Your wallet is on another network. Choose ${network.name} (chain ${network.chainId}) in your wallet and try again.`, { cause: error });
  }
}

/** personal_sign: 65 bytes as hex. */
export async function signMessage(wallet, address, message) {
  const data = utf8(message);
  const signature = await ask(wallet, 'personal_sign', [hex(data), checksum(address)]);
  return hex(checked(signature, personalDigest(data), address));
}

/** eth_signTypedData_v4: 65 bytes. */
export async function signTypedData(wallet, network, address, typed) {
  await useChain(wallet, network);
  const signature = await ask(wallet, 'eth_signTypedData_v4', [address, JSON.stringify(typed)]);
  return checked(signature, digest(typed.domain, typed.primaryType, typed.message), address);
}

/** eth_sendTransaction: the wallet pays the gas; returns the transaction's hash. */
export async function sendTransaction(wallet, network, from, to, data) {
  await useChain(wallet, network);
  return ask(wallet, 'eth_sendTransaction', [{ from, to, data }]);
}

// A log entry holds exactly one form of a signature (v 27 or 28); some wallets return v 0 or 1.
function checked(text, signed, address) {
  const signature = fromHex(text);
  if (signature.length === 65 && signature[64] < 27) signature[64] += 27;
  let signer = null;
  try {
    signer = recover(signed, signature);
  } catch {
    // Contract wallets answer with other bytes: explained below.
  }
  if (signer === null) {
    throw new Error("This wallet doesn't sign with a key of its own (a contract wallet). Use an ordinary account for now.");
  }
  if (signer !== address) {
    throw new Error(`Your wallet signed with another account (${checksum(signer)}). Choose ${checksum(address)} in it and try again.`);
  }
  return signature;
}
