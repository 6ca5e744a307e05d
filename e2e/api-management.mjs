// The page Administration → Access management → API management, used as a person uses it: by roles and names.
import assert from 'node:assert/strict';

const KEY_ID = /\bkey_[0-9a-z]{26}\b/;
const KEY_SECRET = /\bfbs_[0-9A-Za-z]{49}\b/;

export const apiManagementPath = ({ id }) =>
  `/${id.startsWith('acc_') ? 'accounts' : 'environments'}/${id}/administration/access-management/api-management`;

export class ApiManagement {
  constructor(visitor, owner) {
    this.visitor = visitor;
    this.page = visitor.page;
    this.path = apiManagementPath(owner);
  }

  async open() {
    await this.visitor.open(this.path);
    return this;
  }

  /** What a person calls a button may be one, or a link that leads to the next step. */
  button(name, within = this.page) {
    return within.getByRole('button', { name, exact: true });
  }

  row(keypair) {
    return this.page.getByRole('row').filter({ hasText: keypair.id });
  }

  async press(keypair, name) {
    await this.open();
    await this.button(name, this.row(keypair)).click();
  }

  async assertStatus(keypair, status) {
    await this.open();
    await this.row(keypair).getByText(status, { exact: true }).waitFor();
  }

  async assertAbsent(keypair) {
    await this.open();
    assert.equal(await this.row(keypair).count(), 0);
  }

  async startCreating({ comment, scopes }) {
    await this.open();
    await this.button('Create API keypair').first().click();
    await this.page.getByLabel('Comment', { exact: true }).fill(comment);
    await this.choose(scopes);
  }

  async choose(scopes) {
    const boxes = this.page.getByRole('checkbox', { name: /^feedback-/ });
    const count = await boxes.count();
    assert.ok(count >= 4, `${count} scopes are offered`);
    await boxes.evaluateAll((all) => all.length);
    for (let n = 0; n < count; n += 1) await boxes.nth(n).uncheck();
    for (const scope of scopes) await this.page.getByRole('checkbox', { name: scope, exact: true }).check();
  }

  /** Creates a keypair and reads what is shown once. */
  async create(wish) {
    await this.startCreating(wish);
    await this.button('Create').click();
    return this.readOnce();
  }

  async readOnce() {
    const shown = this.page.getByText(KEY_SECRET).first();
    await shown.waitFor();
    const text = await this.page.locator('body').innerText();
    const keypair = { id: text.match(KEY_ID)[0], secret: text.match(KEY_SECRET)[0] };
    this.visitor.product.neverLogged(keypair.secret);
    return keypair;
  }

  /** Everything that the copy buttons of this page put into the clipboard. */
  async copyEverything() {
    const buttons = this.page.getByRole('button', { name: /copy/i });
    const copies = [];
    for (let n = 0, count = await buttons.count(); n < count; n += 1) {
      copies.push(await this.visitor.copied(buttons.nth(n)));
    }
    return copies;
  }

  async disable(keypair) {
    await this.press(keypair, 'Disable');
    await this.assertStatus(keypair, 'disabled');
  }

  async enable(keypair) {
    await this.press(keypair, 'Enable');
    await this.assertStatus(keypair, 'active');
  }

  async edit(keypair, { comment, scopes }) {
    await this.press(keypair, 'Edit');
    if (comment) await this.page.getByLabel('Comment', { exact: true }).fill(comment);
    if (scopes) await this.choose(scopes);
    await this.button('Save').click();
    await this.page.waitForLoadState();
  }

  async startRemoving(keypair) {
    await this.press(keypair, 'Remove');
    await this.page.getByText(/irreversible|cannot be (undone|recovered)/i).first().waitFor();
  }

  async remove(keypair) {
    await this.startRemoving(keypair);
    await this.page.getByRole('textbox').last().fill(keypair.id.slice(-6));
    await this.button('Remove').last().click();
    await this.page.waitForLoadState();
    await this.assertAbsent(keypair);
  }
}
