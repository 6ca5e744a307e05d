// Whoever verifies access tokens on their own, as RFC 9068 has it, takes the keys from the metadata. With jose.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { assertDeadWithinASecond, assertWorks, tokenFor } from '../program.mjs';
import { Product } from '../product.mjs';

for (const algorithm of ['ES256', 'EdDSA', 'RS256']) {
  test(`jose verifies tokens of ${algorithm} while keys come and go`, async (t) => {
    const product = await Product.start(t, [], { variables: { FEEDBACK_SIGNING_ALGORITHM: algorithm } });
    const environment = await product.environment(await product.account('Acme'), 'Production');
    const keypair = await product.keypair(environment, ['feedback-report:read'], 'Verified elsewhere');
    const metadata = await (await fetch(`${product.url}/.well-known/oauth-authorization-server`)).json();
    /** Fetches the keys as somebody who has none yet, and verifies with them. */
    const verify = (token) =>
      jwtVerify(token, createRemoteJWKSet(new URL(metadata.jwks_uri)), {
        algorithms: [algorithm],
        issuer: metadata.issuer,
        audience: `${product.url}/v1`,
        typ: 'at+jwt',
      });

    const token = await tokenFor(product, keypair);
    const { payload, protectedHeader } = await verify(token);
    assert.equal(payload.sub, keypair.id);
    assert.equal(protectedHeader.alg, algorithm);

    const next = await product.operate('signing-key', 'rotate');
    assert.deepEqual([next.algorithm, next.state], [algorithm, 'next']);
    await verify(token);
    const meanwhile = await tokenFor(product, keypair);
    assert.equal((await verify(meanwhile)).protectedHeader.kid, protectedHeader.kid, 'the next does not sign yet');

    const emergency = await product.operate('signing-key', 'rotate', '--now', '--yes');
    await assertDeadWithinASecond(product, token);
    await assert.rejects(verify(token), errors.JWKSNoMatchingKey);
    const after = await tokenFor(product, keypair);
    await assertWorks(product, after);
    assert.equal((await verify(after)).protectedHeader.kid, emergency.kid);
  });
}
