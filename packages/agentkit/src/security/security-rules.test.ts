import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json } from '../json.ts';
import { environmentSecrets, secretsFrom } from './secrets.ts';
import type { ToolRequest } from './security.ts';
import { createSecurityManager, type SecurityRule } from './security-rules.ts';

const request = (tool: string, input: Json = {}, agent = 'helper'): ToolRequest => ({
  ...{ namespace: 'default', taskId: 'task', annotations: {}, tainted: false, taintedBy: [] },
  ...{ agent, tool, input },
});

const decide = (rules: readonly SecurityRule[], asked: ToolRequest) =>
  createSecurityManager({ rules }).decide(asked);

describe('rules', () => {
  it('the first one that fits decides, and without one everything is allowed', () => {
    const rules: SecurityRule[] = [
      { tool: 'files__delete', decision: 'deny', reason: 'never' },
      { tool: 'files__*', decision: 'ask' },
      { agent: 'auditor-*', decision: 'deny' },
    ];
    assert.deepEqual(decide(rules, request('files__delete')), { decision: 'deny', reason: 'never' });
    assert.equal((decide(rules, request('files__read')) as { decision: string }).decision, 'ask');
    assert.deepEqual(decide(rules, request('other')), { decision: 'allow' });
    assert.equal((decide(rules, request('other', {}, 'auditor-2')) as { decision: string }).decision, 'deny');
  });

  it('a name is a pattern in * alone', () => {
    const rules: SecurityRule[] = [{ tool: 'a.c', decision: 'deny' }];
    assert.deepEqual(decide(rules, request('abc')), { decision: 'allow' });
    assert.deepEqual(decide([{ tool: 'a*', decision: 'deny' }], request('ba')), { decision: 'allow' });
  });

  it('look at the arguments, and a predicate that throws lets nothing pass', () => {
    const large: SecurityRule = {
      decision: 'ask',
      when: (input) => (input as { amount: { value: number } }).amount.value > 100,
    };
    const decisionOf = (input: Json) =>
      (decide([large], request('pay', input)) as { decision: string }).decision;
    assert.equal(decisionOf({ amount: { value: 101 } }), 'ask');
    assert.equal(decisionOf({ amount: { value: 100 } }), 'allow');
    assert.equal(decisionOf({}), 'deny');
  });

  it('lets nothing pass by a predicate that gives no boolean, as one that is asynchronous', () => {
    for (const given of [Promise.resolve(false), undefined, 'no', 1]) {
      const rule: SecurityRule = { decision: 'allow', when: () => given as never };
      assert.equal((decide([rule], request('pay')) as { decision: string }).decision, 'deny');
    }
  });

  it('are refused when one is no rule: misspelt, it would be about every call', () => {
    const wrong: object[] = [
      { rules: [{ decision: 'allow', tols: 'read_*' }] },
      { rules: [{ decision: 'alow' }] },
      { rules: [{ decision: 'deny', when: true }] },
      { otherwise: 'nothing' },
      { rule: [] },
      { approvalTimeoutMs: '5' },
    ];
    for (const options of wrong)
      assert.throws(
        () => createSecurityManager(options),
        { code: 'config_invalid' },
        JSON.stringify(options),
      );
  });

  it('look at whether content from outside is there', () => {
    const rules: SecurityRule[] = [{ tool: 'send', tainted: true, decision: 'ask', timeoutMs: 5 }];
    const tainted = { ...request('send'), tainted: true, taintedBy: ['fetch'] };
    assert.deepEqual(decide(rules, tainted), { decision: 'ask', reason: 'a rule says so', timeoutMs: 5 });
    assert.deepEqual(decide(rules, request('send')), { decision: 'allow' });
  });

  it('what holds otherwise can be turned round', () => {
    const manager = createSecurityManager({ rules: [{ tool: 'add', decision: 'allow' }], otherwise: 'deny' });
    assert.deepEqual(manager.decide(request('add')), { decision: 'allow' });
    assert.deepEqual(manager.decide(request('x')), { decision: 'deny', reason: 'no rule allows it' });
  });
});

describe('redaction', () => {
  const secrets = secretsFrom({ KEY: 'sk-abcdef', LONGER: 'sk-abcdefgh', ODD: 'p"ss wörd+', SHORT: 'abc' });
  const { redact } = createSecurityManager({ secrets });

  it('finds a secret of any length, as whole keys and certificates are', () => {
    const whole = Array.from({ length: 40_000 }, (_, n) => n.toString(36)).join('');
    const keys = [whole.slice(0, 9_000), whole, `${whole.slice(0, 60)}/other`];
    const long = createSecurityManager({ secrets: { values: () => keys } });
    for (const key of keys)
      for (const said of [key, Buffer.from(key).toString('hex'), encodeURIComponent(key)])
        assert.equal(long.redact(`the key: ${said}.`), 'the key: [redacted].');
    const begun = `only ${whole.slice(0, 8_000)}`;
    assert.equal(long.redact(begun), begun);
    const stream = long.redactStream?.() ?? assert.fail();
    const pieces = `a ${keys[0]} b ${begun}`.match(/.{1,700}/g) ?? [];
    assert.equal(
      pieces.map((piece) => stream.push(piece)).join('') + stream.end(),
      `a [redacted] b ${begun}`,
    );
  });

  it('replaces known secrets at any depth, in keys too, the longest first', () => {
    assert.deepEqual(
      redact({ a: ['x sk-abcdefgh y', { 'sk-abcdef': [1, null, true] }], 'p"ss wörd+': 'sk-abcdef' }),
      {
        a: ['x [redacted] y', { '[redacted]': [1, null, true] }],
        '[redacted]': '[redacted]',
      },
    );
  });

  it('finds them escaped for JSON and for URLs', () => {
    assert.equal(redact(JSON.stringify({ password: 'p"ss wörd+' })), '{"password":"[redacted]"}');
    assert.equal(redact(`https://x/?p=${encodeURIComponent('p"ss wörd+')}`), 'https://x/?p=[redacted]');
  });

  it('finds them escaped twice, as texts within texts are, and for HTML', () => {
    const said = JSON.stringify(JSON.stringify({ password: 'p"ss wörd+' }));
    assert.equal(redact(said), JSON.stringify('{"password":"[redacted]"}'));
    assert.equal(redact(encodeURIComponent(encodeURIComponent('p"ss wörd+'))), '[redacted]');
    assert.equal(redact('<b>p&quot;ss wörd+</b>'), '<b>[redacted]</b>');
  });

  it('finds them in base64 wherever they begin, in hexadecimal, and as other languages escape them', () => {
    for (const before of ['', 'a', 'ab', 'user:']) {
      for (const encoding of ['base64', 'base64url'] as const) {
        const encoded = Buffer.from(`${before}sk-abcdefgh!`).toString(encoding);
        assert.match(redact(`Basic ${encoded}.`), /^Basic .{0,8}\[redacted\].{0,4}\.$/, encoded);
      }
    }
    assert.equal(redact(Buffer.from('sk-abcdefgh').toString('hex')), '[redacted]');
    assert.equal(redact('p%22ss+w%C3%B6rd%2B'), '[redacted]');
    assert.equal(redact('p%22ss%20w%c3%b6rd%2b'), '[redacted]');
    assert.equal(redact('p\\"ss w\\u00f6rd+'), '[redacted]');
  });

  it('finds them written out byte by byte, in base64 of base64 and of UTF-16, and in lists of bytes', () => {
    const secret = 'sk-abcdefgh';
    const hex = (before: string, between = ''): string =>
      [...Buffer.from(secret)].map((byte) => before + byte.toString(16)).join(between);
    const base64 = (text: string, encoding: BufferEncoding = 'utf8'): string =>
      Buffer.from(text, encoding).toString('base64');
    for (const said of [
      ...[hex('', ':'), hex('', ' ').toUpperCase(), hex('', '-'), hex('%'), hex('\\x'), hex('\\u00')],
      ...[hex('0x', ','), hex('0x', ', '), `${hex('&#x', ';')};`],
      ...[[...Buffer.from(secret)].join(','), JSON.stringify([...Buffer.from(secret)])],
      ...[base64(base64(secret)), base64(base64(`${secret}x`)), base64(secret, 'utf16le')],
    ])
      assert.match(redact(`it is ${said}.`), /^it is .{0,4}\[redacted\].{0,8}\.$/, said);
    assert.equal(redact('&#112;&#34;&#115;&#115;&#32;&#119;&#246;&#114;&#100;&#43;'), '[redacted]');
    assert.deepEqual(redact({ a: Buffer.from(`x${secret}`).toJSON().data }), { a: ['[redacted]'] });
    assert.deepEqual(redact([1, 2, 3, 4, 5, 6, 7]), [1, 2, 3, 4, 5, 6, 7]);
  });

  it('finds them in a text that comes in pieces, and holds back no more than it must', () => {
    const manager = createSecurityManager({ secrets });
    const text = 'a sk-abcdefgh b sk-abcdef c sk-abc';
    for (let size = 1; size < 8; size += 1) {
      const stream = manager.redactStream?.();
      let out = '';
      for (let at = 0; at < text.length; at += size) out += stream?.push(text.slice(at, at + size));
      assert.equal(out + stream?.end(), 'a [redacted] b [redacted] c sk-abc', String(size));
    }
    assert.equal(manager.redactStream?.().push('nothing of the kind'), 'nothing of the kind');
  });

  it('leaves short values alone, and gives the very same value when there is nothing to hide', () => {
    const value = { a: ['abc', { b: 'd' }] };
    assert.equal(redact(value), value);
    assert.equal(createSecurityManager().redact(value), value);
    assert.equal(redact(undefined), undefined);
  });

  it('keeps a key named __proto__ what it was', () => {
    const value = JSON.parse('{"__proto__":{"a":"sk-abcdef"}}');
    const clean = redact(value) as object;
    assert.equal(JSON.stringify(clean), '{"__proto__":{"a":"[redacted]"}}');
  });

  it('of environment variables knows the keys of models, which nobody hands out', () => {
    process.env.AGENTKIT_LLM_API_KEY = 'key-of-a-model';
    try {
      assert.equal(
        createSecurityManager({ secrets: environmentSecrets() }).redact('key-of-a-model'),
        '[redacted]',
      );
    } finally {
      delete process.env.AGENTKIT_LLM_API_KEY;
    }
  });

  it('of environment variables knows what was given out, and what it was before it changed', async () => {
    const environment = environmentSecrets();
    const manager = createSecurityManager({ secrets: environment });
    process.env.OPSPAWN_TEST_SECRET = 'first-value';
    try {
      assert.equal(manager.redact('first-value'), 'first-value');
      assert.equal(await environment.get('OPSPAWN_TEST_SECRET'), 'first-value');
      assert.equal(manager.redact('first-value'), '[redacted]');
      process.env.OPSPAWN_TEST_SECRET = 'other-value';
      await environment.get('OPSPAWN_TEST_SECRET');
      assert.equal(manager.redact('first-value other-value'), '[redacted] [redacted]');
    } finally {
      delete process.env.OPSPAWN_TEST_SECRET;
    }
    assert.equal(await environment.get('OPSPAWN_TEST_SECRET'), undefined);
    assert.equal(await secretsFrom({}).get('toString'), undefined);
  });
});
