import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import * as client from 'openid-client';
import { api, assertDeadWithinASecond, assertWorks } from '../program.mjs';
import { Product, until } from '../product.mjs';
import { life } from './life.mjs';

const discover = (url, id, authentication) =>
  client.discovery(new URL(url), id, undefined, authentication, {
    algorithm: 'oauth2',
    execute: [client.allowInsecureRequests],
  });

life('openid-client', ['client_secret_basic', 'client_secret_post', 'private_key_jwt'], ({ url }) => {
  const server = async ({ method, id, secret, key }) => {
    if (method === 'client_secret_basic') return discover(url, id, client.ClientSecretBasic(secret));
    if (method === 'client_secret_post') return discover(url, id, client.ClientSecretPost(secret));
    const { kid, ...jwk } = key;
    const imported = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    return discover(url, id, client.PrivateKeyJwt({ key: imported, kid }));
  };
  return {
    async token(who) {
      try {
        const parameters = who.scope ? { scope: who.scope } : {};
        return { token: (await client.clientCredentialsGrant(await server(who), parameters)).access_token };
      } catch (error) {
        // With a challenge in the answer the library speaks of the challenge, else of the error in the body.
        return { error: error.error ?? (await error.response.json()).error };
      }
    },
    async get(who, token, path) {
      try {
        return (await client.fetchProtectedResource(await server(who), token, new URL(path, url), 'GET')).status;
      } catch (error) {
        if (error instanceof client.WWWAuthenticateChallengeError) return error.status;
        throw error;
      }
    },
    introspect: async (who, token) => client.tokenIntrospection(await server(who), token),
    revoke: async (who, token) => client.tokenRevocation(await server(who), token),
  };
});

test('openid-client signs by each algorithm, naming its key or not', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');

  for (const [name, algorithm] of [
    ['ES256', { name: 'ECDSA', namedCurve: 'P-256' }],
    ['EdDSA', { name: 'Ed25519' }],
    ['RS256', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }],
    ['PS256', { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }],
  ]) {
    await t.test(name, async () => {
      const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const file = join(product.data, `${name}.jwk`);
      await writeFile(file, JSON.stringify(await crypto.subtle.exportKey('jwk', publicKey)));
      const words = ['key', 'create', '--owner', account.id, '--scope', 'feedback-report:read', '--jwk-file', file];
      const keypair = await product.operate(...words);
      assert.equal(keypair.public_keys[0].algorithm, name);

      for (const key of [privateKey, { key: privateKey, kid: keypair.public_keys[0].kid }]) {
        const server = await discover(product.url, keypair.id, client.PrivateKeyJwt(key));
        const token = await client.clientCredentialsGrant(server);
        assert.equal((await assertWorks(product, token.access_token)).key_id, keypair.id);
        await product.operate('key', 'disable', keypair.id);
        await assertDeadWithinASecond(product, token.access_token);
        await assert.rejects(client.clientCredentialsGrant(server), { error: 'invalid_client' });
        await product.operate('key', 'enable', keypair.id);
        await until('the keypair to be enabled', 1_000, () =>
          client.clientCredentialsGrant(server).catch(() => false),
        );
      }
    });
  }
});

test('openid-client binds its tokens by DPoP', async (t) => {
  const product = await Product.start(t);
  const environment = await product.environment(await product.account('Acme'), 'Production');
  const words = ['--owner', environment.id, '--scope', 'feedback-report:read', '--token-binding', 'dpop'];
  const keypair = await product.operate('key', 'create', ...words);
  const server = await client.discovery(
    new URL(product.url),
    keypair.id,
    undefined,
    client.ClientSecretBasic(keypair.secret),
    { algorithm: 'oauth2', execute: [client.allowInsecureRequests] },
  );
  const supported = server.serverMetadata().dpop_signing_alg_values_supported;
  await assert.rejects(client.clientCredentialsGrant(server), { error: 'invalid_dpop_proof' });

  for (const algorithm of ['ES256', 'Ed25519', 'RS256', 'PS256']) {
    await t.test(algorithm, async () => {
      assert.ok(supported.includes(algorithm));
      const DPoP = client.getDPoPHandle(server, await client.randomDPoPKeyPair(algorithm));
      const token = await client.clientCredentialsGrant(server, {}, { DPoP });
      assert.equal(token.token_type, 'dpop');
      const ask = (path, options) =>
        client.fetchProtectedResource(
          server,
          token.access_token,
          new URL(path, product.url),
          'GET',
          undefined,
          undefined,
          options,
        );
      for (const path of ['/v1/access', '/v1/environments?limit=1', `/v1/environments/${environment.id}`]) {
        assert.equal((await ask(path, { DPoP })).status, 200);
      }
      await assertUnproven(product, token.access_token);
      const other = client.getDPoPHandle(server, await client.randomDPoPKeyPair(algorithm));
      const refused = (challenge) => challenge.cause[0].scheme === 'dpop' && challenge.cause[0].parameters.error === 'invalid_token';
      await assert.rejects(ask('/v1/access', { DPoP: other }), refused);
      const said = await client.tokenIntrospection(server, token.access_token);
      assert.equal(said.token_type, 'DPoP');
      assert.equal(said.cnf.jkt, await DPoP.calculateThumbprint());
      await product.operate('key', 'disable', keypair.id);
      await until('the token to stop', 1_000, () => ask('/v1/access', { DPoP }).then(() => false, refused));
      await product.operate('key', 'enable', keypair.id);
      await until('the keypair to be enabled', 1_000, () =>
        client.clientCredentialsGrant(server, {}, { DPoP }).catch(() => false),
      );
    });
  }
});

/** Whoever has copied the token sends it as it is. */
async function assertUnproven(product, token) {
  const { status, headers } = await api(product, token, '/v1/access');
  assert.equal(status, 401);
  assert.match(headers.get('www-authenticate'), /^DPoP algs="ES256 .*error="invalid_token"/);
}
