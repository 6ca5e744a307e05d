// The page Administration → Access management → API management, used as a person uses it: by roles and names.
import assert from 'node:assert/strict';

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

  button(name, within = this.page) {
    return within.getByRole('button', { name, exact: true });
  }

  /** Opens the step before an act that can't be undone, and takes it. */
  async confirm(act) {
    const step = this.page.locator('details').filter({ has: this.page.getByRole('button', { name: act, includeHidden: true }) });
    await step.locator('summary').click();
    await step.getByRole('button', { name: act }).click();
  }

  row(keypair) {
    return this.page.getByRole('row').filter({ hasText: keypair.id });
  }

  /** The dialog with what is shown once. */
  get once() {
    return this.page.getByRole('dialog');
  }

  async press(keypair, name) {
    await this.open();
    await this.button(name, this.row(keypair)).click();
  }

  async assertStatus(keypair, status) {
    await this.open();
    await this.row(keypair).getByText(new RegExp(`^${status}$`, 'i')).waitFor();
  }

  async assertAbsent(keypair) {
    await this.open();
    assert.equal(await this.row(keypair).count(), 0);
  }

  async choose(scopes) {
    const offered = this.page.getByRole('checkbox', { name: /^feedback-/ });
    const expected = this.path.startsWith('/accounts/') ? 5 : 4;
    assert.equal(await offered.count(), expected, 'scopes on offer');
    for (const box of await offered.all()) await box.uncheck();
    for (const scope of scopes) await this.page.getByRole('checkbox', { name: scope, exact: true }).check();
  }

  /** Creates a keypair and reads what is shown once; the dialog stays. */
  async create({ comment, scopes }) {
    await this.open();
    await this.button('Create API keypair').click();
    await this.page.getByLabel('Comment', { exact: true }).fill(comment);
    await this.choose(scopes);
    await this.button('Create').click();
    return this.#readOnce();
  }

  async rotate(keypair, overlap) {
    await this.press(keypair, 'Rotate');
    await this.page.getByRole('radio', { name: overlap, exact: true }).check();
    await this.button('Rotate').click();
    const rotated = await this.#readOnce();
    assert.equal(rotated.id, keypair.id);
    assert.notEqual(rotated.secret, keypair.secret);
    return rotated;
  }

  async #readOnce() {
    const text = await this.once.innerText();
    const [id] = text.match(/\bkey_[0-9a-z]{26}\b/);
    const [secret] = text.match(/\bfbs_[0-9A-Za-z]{49}\b/);
    this.visitor.product.neverLogged(secret);
    return { id, secret };
  }

  async finishReading() {
    await this.once.getByRole('checkbox').check();
    await this.button('Done', this.once).click();
    await this.once.waitFor({ state: 'detached' });
  }

  /** What the dialog's copy buttons put into the clipboard, in their order. */
  async copies() {
    const copies = [];
    for (const button of await this.once.getByRole('button', { name: /^Cop/ }).all()) {
      copies.push(await this.visitor.copied(button));
    }
    return copies;
  }

  async disable(keypair) {
    await this.press(keypair, 'Disable');
    await this.button('Enable', this.row(keypair)).waitFor();
    await this.assertStatus(keypair, 'disabled');
  }

  async enable(keypair) {
    await this.press(keypair, 'Enable');
    await this.button('Disable', this.row(keypair)).waitFor();
    await this.assertStatus(keypair, 'active');
  }

  async edit(keypair, { comment, scopes }) {
    await this.press(keypair, 'Edit');
    if (comment) await this.page.getByLabel('Comment', { exact: true }).fill(comment);
    if (scopes) await this.choose(scopes);
    await this.button('Save').click();
    await this.row(keypair).getByText(comment).waitFor();
  }

  /** Opens the removal and types `confirmation` before the button is pressed. */
  async startRemoving(keypair, confirmation) {
    await this.press(keypair, 'Remove');
    await this.page.getByText(/irreversible/i).first().waitFor();
    await this.page.getByRole('textbox', { name: /last 6 characters/ }).fill(confirmation);
    await this.button('Remove').click();
  }

  async remove(keypair) {
    await this.startRemoving(keypair, keypair.id.slice(-6));
    await this.page.waitForURL((url) => url.pathname === this.path);
    await this.assertAbsent(keypair);
  }
}
