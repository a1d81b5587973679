// The pages of earnings and appeals: sums that stay live, claims of everything, objections and their answers.

import { actAs, ApiError, get, post } from './api.js';
import { concat, fromHex, hex, uint } from './bytes.js';
import { domainOf, typedData } from './eip712.js';
import { about, build, complain, element, notify, tokens, whileBusy } from './page.js';
import { checksum } from './signing.js';
import { Operators } from './operators.js';
import { Storage, workStorage } from './storage.js';
import { standing, Vouching } from './vouching.js';
import { connect, developmentWallet, discover, sendTransaction, signTypedData } from './wallet.js';

const POLL_MS = 10_000;
const WALLETS_MS = 1000;

/** The wallet signed in with, once it has announced itself; an error that says what to do otherwise. */
async function rememberedWallet(network, address) {
  const id = new Storage('wallet').get('id');
  const known = id === 'development' && network.development ? developmentWallet(network) : null;
  const wallet =
    known ??
    (await new Promise((resolve) => {
      discover((found) => found.id === id && resolve(found));
      setTimeout(() => resolve(null), WALLETS_MS);
    }));
  if (!wallet) throw new Error("The wallet you signed in with isn't in this browser now. Unlock it and reload, or sign in again.");
  if ((await connect(wallet)) !== address.toLowerCase()) {
    throw new Error(`Choose the account ${address} in your wallet and try again.`);
  }
  return wallet;
}

// --- sums and claims ---

class Sums {
  constructor(network, address) {
    Object.assign(this, { network, address, busy: false });
    element('claim-all').addEventListener('click', () => this.claim('claim-all', () => this.relayed()));
    element('claim-by-wallet').addEventListener('click', () => this.claim('claim-by-wallet', () => this.byWallet()));
    element('claim-by-wallet').hidden = new Storage('wallet').get('id') === 'development'; // it can't send
  }

  /** One stream; where there is none, or a proxy breaks it, plain polls. */
  follow() {
    if (!window.EventSource) {
      this.poll();
      return;
    }
    const stream = new EventSource(`/api/earnings/stream?account=${this.address}`);
    stream.onopen = () => this.live(true);
    stream.onmessage = ({ data }) => this.show(JSON.parse(data));
    // Every answer ends, and the browser comes again: only one that it gives up on is an error.
    stream.onerror = () => stream.readyState === EventSource.CLOSED && this.poll();
  }

  async poll() {
    clearTimeout(this.timer);
    try {
      if (!document.hidden) this.show(await get('/api/earnings'));
      this.live(true);
    } catch (error) {
      this.live(false);
      if (error instanceof ApiError && error.status === 401) {
        complain(new Error(error.code === 'other_account' ? error.message : 'You are signed out. Sign in again to see your earnings.'));
        return;
      }
    }
    this.timer = setTimeout(() => this.poll(), POLL_MS);
  }

  live(is) {
    element('live').classList.toggle('stale', !is);
    const text = is ? 'Live' : 'Not live: trying again …';
    if (element('live').textContent !== text) element('live').textContent = text;
  }

  show(sums) {
    const write = (node, text) => node && node.textContent !== text && (node.textContent = text);
    const amount = (value) => tokens(value, this.network);
    for (const node of document.querySelectorAll('[data-sum]')) write(node, amount(sums[node.dataset.sum]));
    for (const line of sums.campaigns) {
      const row = document.querySelector(`[data-campaign="${line.campaign}"]`);
      for (const node of row?.querySelectorAll('[data-field]') ?? []) {
        const value = line[node.dataset.field];
        write(node, typeof value === 'string' ? amount(value) : String(value));
      }
      if (row) this.note(row, line);
      else notify('You have labels in another campaign now: reload to see it here.');
    }
    this.claimable = BigInt(sums.claimable);
    this.allow();
  }

  /** What stands below two of the sums, written anew where what it says is over. */
  note(row, { lockedUntil, expected }) {
    const rewrite = (name, shown, text) => {
      const node = row.querySelector(`[data-note="${name}"]`);
      if (node.dataset.shown === String(shown ?? '')) return;
      Object.assign(node, { textContent: text() }).dataset.shown = String(shown ?? '');
    };
    rewrite('locked', lockedUntil, () => (lockedUntil ? `until ${new Date(lockedUntil * 1000).toUTCString()}, unless challenged` : ''));
    rewrite('pending', expected, () => (expected === '0' ? '' : `likely ${about(expected, this.network)}`));
  }

  allow() {
    for (const id of ['claim-all', 'claim-by-wallet']) {
      element(id).disabled = this.busy || this.claimable === 0n;
    }
  }

  async claim(button, action) {
    this.busy = true;
    element('claimed').textContent = '';
    try {
      await whileBusy(element(button), action);
      this.show(await get('/api/earnings'));
    } catch (error) {
      complain(error);
    } finally {
      this.busy = false;
      this.allow();
    }
  }

  async relayed() {
    const { amount, campaigns, transactions, balance } = await post('/api/earnings/claims');
    const from = campaigns === 1 ? 'one campaign' : `${campaigns} campaigns`;
    element('claimed').textContent =
      `${tokens(amount, this.network)} from ${from} moved to your wallet, which now holds ${tokens(balance, this.network)}. ` +
      `Transaction ${transactions.join(', ')}`;
  }

  async byWallet() {
    const wallet = await rememberedWallet(this.network, this.address);
    const { to, data } = await get('/api/earnings/claim-call');
    if (to.toLowerCase() !== this.network.escrow.toLowerCase()) throw new Error('This is another contract than the escrow: reload the page.');
    const transaction = await sendTransaction(wallet, this.network, this.address, to, data);
    element('claimed').textContent = `Your wallet sent transaction ${transaction}. The sums follow once it is in a block.`;
  }
}

// --- appeals and their answers ---

/** Has the wallet sign a struct, and returns the log entry: `kind` and `fields` (docs/FORMATS.md, section 4), then the signature. */
async function signedEntry(kind, fields, struct, message, network, address) {
  const wallet = await rememberedWallet(network, address);
  notify(wallet.id === 'development' ? '' : `Look at ${wallet.name}: it shows what you sign.`);
  const typed = typedData(domainOf(network), struct, message);
  return hex(concat(Uint8Array.of(kind), ...fields, await signTypedData(wallet, network, address.toLowerCase(), typed)));
}

async function appeal(form, network, campaign, address) {
  const { submission, index } = form.dataset;
  const reason = new FormData(form).get('reason');
  const message = { contributor: address, campaign, submission, index: Number(index), reason };
  const fields = [fromHex(address), fromHex(submission), uint(index, 2), fromHex(reason)];
  const entry = await signedEntry(6, fields, 'Appeal', message, network, address);
  await post(`/api/campaigns/${campaign}/appeals`, { entry });
  location.hash = form.closest('li').id;
  location.reload();
}

async function answer(form, network, campaign, address) {
  const { item } = form.dataset;
  const { answer: answerDigest, reason } = Object.fromEntries(new FormData(form));
  const message = { expert: address, campaign, item, answerDigest, reason };
  const fields = [address, item, answerDigest, reason].map(fromHex);
  const entry = await signedEntry(5, fields, 'Adjudication', message, network, address);
  await post(`/api/campaigns/${campaign}/adjudications`, { entry });
  form.replaceChildren(build('p', { className: 'said', tabIndex: -1 }, 'Answered: it stands in the log.'));
  form.firstChild.focus();
  notify('');
}

// --- what this browser handed in, by the operators' word ---

async function showKept(network, number, address) {
  const { operators } = await get(`/api/campaigns/${number}`);
  const vouching = new Vouching(workStorage(network, number, address.toLowerCase()), new Operators(network, number, operators));
  const show = () => {
    const kept = vouching.submissions().reverse();
    element('kept').hidden = !kept.length;
    const lines = kept.map((one) => {
      const items = `${one.items.length === 1 ? 'Item' : 'Items'} ${one.items.join(', ')}`;
      const line = build('li', {}, build('strong', {}, items), ` ${standing(one, operators)}`);
      line.dataset.state = one.state;
      return line;
    });
    const list = element('kept-list');
    if (list.textContent !== lines.map((line) => line.textContent).join('')) list.replaceChildren(...lines);
  };
  show();
  vouching.follow(show);
}

async function main() {
  const { page, address, number } = document.body.dataset;
  const { network } = await get('/api/network');
  actAs(address);
  if (page === 'earnings') {
    const sums = new Sums(network, checksum(address.toLowerCase()));
    sums.show(await get('/api/earnings'));
    sums.follow();
  }
  if (page === 'history') void showKept(network, Number(number), address).catch(complain);
  for (const [name, action] of Object.entries({ appeal, answer })) {
    for (const form of document.querySelectorAll(`form.${name}`)) {
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        void whileBusy(form.querySelector('button'), () => action(form, network, Number(number), address));
      });
    }
  }
}

main().catch(complain);
