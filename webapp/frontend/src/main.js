// A campaign's page: sign in, agree once, label, get paid.

import { actAs, ApiError, get, remove } from './api.js';
import { Earnings } from './earnings.js';
import { LabelView } from './label.js';
import { Operators } from './operators.js';
import { complain, element, focusHeading, notify, short, show, whileBusy } from './page.js';
import { checksum } from './signing.js';
import { Storage, workStorage } from './storage.js';
import { connect, currentAccount } from './wallet.js';
import { listWallets, signIn } from './wallets.js';
import { Work } from './work.js';

class Page {
  constructor(network, campaign, operators) {
    Object.assign(this, { network, campaign, operators: new Operators(network, campaign.number, operators), wallet: null, contributor: null, work: null, view: null });
    this.remembered = new Storage('wallet');
    this.earnings = new Earnings({
      network,
      campaign,
      onStatus: (status) => this.onStatus(status),
      onError: (error) => error instanceof ApiError && error.status === 401 && this.signedOut(error),
    });
    element('sign-out').addEventListener('click', (event) => {
      event.preventDefault(); // the form would leave the page
      whileBusy(element('sign-out'), () => this.signOut());
    });
    element('agree').addEventListener('click', () => whileBusy(element('agree'), () => this.agree()));
  }

  async start() {
    listWallets(this.network, { chosen: (wallet) => this.signIn(wallet), found: (wallet) => this.recognise(wallet) });
    const { address } = await get('/api/session');
    if (address) await this.enter(address.toLowerCase());
    else this.askToConnect();
  }

  // --- wallets ---

  /** After a reload: takes the wallet used before, without asking it anything. */
  recognise(wallet) {
    if (!this.wallet && wallet.id === this.remembered.get('id')) this.use(wallet);
  }

  use(wallet) {
    this.wallet = wallet;
    this.remembered.set('id', wallet.id);
    wallet.provider.on?.('accountsChanged', ([account]) => {
      if (wallet !== this.wallet || !this.contributor || account?.toLowerCase() === this.contributor) return;
      const now = account ? `to ${short(checksum(account))}` : 'off';
      notify(`Your wallet was switched ${now}. You are still signed in as ${short(checksum(this.contributor))}; sign out to change.`);
    });
  }

  // --- sign in and out ---

  askToConnect() {
    show('connect');
  }

  async signIn(wallet) {
    const address = await signIn(wallet);
    this.use(wallet);
    await this.enter(address);
  }

  async signOut() {
    await remove('/api/session');
    this.remembered.remove('id');
    this.signedOut();
    notify('You are signed out. What you earned stays yours.');
  }

  /** `error` is the server's, where it was it that said so. */
  signedOut(error) {
    const wasIn = this.contributor !== null;
    actAs(null);
    this.earnings.stop();
    this.view?.stop();
    Object.assign(this, { contributor: null, work: null, view: null, wallet: null });
    element('account').hidden = true;
    const why = error?.code === 'other_account' ? 'Another account was signed in in this browser. Sign in with yours' : 'You are signed out. Sign in';
    if (wasIn) complain(new Error(`${why} again; your answers are kept in this browser.`));
    this.askToConnect();
    if (wasIn) focusHeading('connect');
  }

  async enter(contributor) {
    this.contributor = contributor;
    actAs(contributor);
    element('account-address').textContent = short(checksum(contributor));
    element('account-address').title = checksum(contributor);
    element('account').hidden = false;
    element('sign-in')?.remove();
    const storage = workStorage(this.network, this.campaign.number, contributor);
    this.work = new Work({ network: this.network, campaign: this.campaign, contributor, storage, operators: this.operators });
    const status = await this.earnings.read();
    void this.earnings.start();
    if (this.work.isDelegated(status)) await this.label();
    else this.askToAgree(status);
  }

  // --- the delegation ---

  askToAgree({ generation = 0 } = {}) {
    element('agree-again').hidden = generation === 0;
    show('agree');
    focusHeading('agree');
  }

  async agree() {
    if (!this.wallet || (await currentAccount(this.wallet)) !== this.contributor) {
      const known = this.wallet && (await connect(this.wallet)) === this.contributor;
      if (!known) {
        this.askToConnect();
        throw new Error(`Choose the account ${short(checksum(this.contributor))} in your wallet and connect it again.`);
      }
    }
    if (this.wallet.id !== 'development') notify(`Look at ${this.wallet.name}: it shows what you agree to.`);
    await this.work.delegate(this.wallet, await this.earnings.read(), element('end-others').checked);
    notify('Done: from here on your wallet stays closed.');
    await this.label();
  }

  // --- labeling ---

  async label() {
    this.view?.stop();
    this.view = new LabelView(this.work, { onSignedOut: (error) => this.signedOut(error) });
    await this.view.start();
  }

  onStatus(status) {
    this.work?.forgetCovered(status.covered);
    // A key that expired, or was revoked by a higher generation, needs a new signature.
    if (this.view && this.work && status.sessionKeys && !this.work.isDelegated(status) && this.work.wasDelegated) {
      this.view.stop();
      this.view = null;
      this.askToAgree();
      complain(new Error("This browser's permission to label has ended. Agree again to go on; your answers are kept."));
    }
    if (this.work?.isDelegated(status)) this.work.wasDelegated = true;
  }
}

async function main() {
  const number = Number(document.body.dataset.campaign);
  if (!number) return;
  try {
    const { network, campaign, operators } = await get(`/api/campaigns/${number}`);
    await new Page(network, campaign, operators).start();
  } catch (error) {
    complain(error);
  }
}

main();
