import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createApiKey, isSameDigest, readApiKey } from './api-key.ts';

describe('a key of the API', () => {
  it('is known again by its id and its digest, which do not tell it', () => {
    const { text, id, digest } = createApiKey();
    assert.deepEqual(readApiKey(text), { id, digest });
    assert.match(text, new RegExp(`^opspawn_${id}_`));
    assert.ok(!text.includes(digest));
    assert.notEqual(createApiKey().text, text);
  });

  it('with a slip of the hand is none', () => {
    const { text } = createApiKey();
    for (let at = 0; at < text.length; at += 7) {
      const slip = text[at] === 'a' ? 'b' : 'a';
      assert.equal(readApiKey(text.slice(0, at) + slip + text.slice(at + 1)), undefined, String(at));
    }
    for (const other of ['', 'opspawn_', text.slice(1), `${text}0`, text.toUpperCase()])
      assert.equal(readApiKey(other), undefined);
  });

  it('has a digest of its own', () => {
    const [one, other] = [createApiKey().digest, createApiKey().digest];
    assert.equal(isSameDigest(one, one), true);
    assert.equal(isSameDigest(one, other), false);
    assert.equal(isSameDigest(one, ''), false);
  });
});
