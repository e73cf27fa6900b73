import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { withCode } from '../../../test/tester.ts';
import type { Json } from '../../json.ts';
import { createToolManager } from '../tool-manager.ts';
import { type HttpFetchOptions, httpFetch } from './http-fetch.ts';
import { isPublicAddress, rangesOf } from './public-address.ts';

let server: Server;
let port: number;
const seen: string[] = [];
const pages: Record<string, RequestListener> = {
  '/text': (_, response) =>
    response
      .setHeader('content-type', 'text/plain; charset=latin1')
      .end(Buffer.from('Gr\xfc\xdfe', 'latin1')),
  '/long': (_, response) => response.setHeader('content-type', 'text/plain').end('x'.repeat(5_000)),
  '/endless': (_, response) => {
    response.setHeader('content-type', 'text/plain');
    const more = (): void => {
      while (!response.destroyed && response.write('y'.repeat(10_000)));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  },
  '/loud': (_, response) =>
    response.writeHead(200, { 'content-type': 'TEXT/HTML', 'content-encoding': 'Identity' }).end('<p>'),
  '/picture': (_, response) => response.setHeader('content-type', 'image/png').end('x'),
  '/packed': (_, response) => response.setHeader('content-encoding', 'gzip').end('x'),
  '/hang': () => {},
  '/cut': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '100' });
    response.write('x', () => response.destroy());
  },
  '/missing': (_, response) =>
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":1}'),
};

before(async () => {
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
    seen.push(`${request.headers.host} ${pathname}`);
    const to = searchParams.get('to');
    if (to !== null) response.writeHead(302, { location: to }).end();
    else (pages[pathname] ?? pages['/missing'])!(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

async function fetch(url: string, options: HttpFetchOptions = {}): Promise<Record<string, Json>> {
  const manager = createToolManager({ tools: { http_fetch: httpFetch(options) } });
  const prepared = await manager.prepare({ callId: 'c', tool: 'http_fetch', input: { url } });
  assert.ok('execute' in prepared);
  const call = { callId: 'c', tool: 'http_fetch', input: { url }, idempotencyKey: 'k', progress: () => {} };
  const got = await prepared.execute({ ...call, signal: new AbortController().signal });
  return got as Record<string, Json>;
}

const loopback = { allowRanges: ['127.0.0.1/32'] };
const local = (path: string): string => `http://127.0.0.1:${port}${path}`;

describe('http_fetch', () => {
  it('reads text in its charset, and says status and type', async () => {
    assert.deepEqual(await fetch(local('/text'), loopback), {
      url: local('/text'),
      status: 200,
      contentType: 'text/plain; charset=latin1',
      text: 'Grüße',
    });
    const missing = await fetch(local('/nowhere'), loopback);
    assert.deepEqual([missing.status, missing.text], [404, '{"error":1}']);
  });

  it('cuts what is too long, and does not wait for what never ends', async () => {
    for (const path of ['/long', '/endless']) {
      const { text, isCut } = await fetch(local(path), { ...loopback, maxBytes: 1_000 });
      assert.deepEqual([(text as string).length, isCut], [1_000, true]);
    }
  });

  it('gives up in time, and says what is no text, packed or broken off', async () => {
    await assert.rejects(fetch(local('/hang'), { ...loopback, timeoutMs: 50 }), withCode('timeout'));
    for (const path of ['/picture', '/packed', '/cut'])
      await assert.rejects(fetch(local(path), loopback), withCode('tool_failed'), path);
    await assert.rejects(fetch('http://127.0.0.1:1/', loopback), withCode('tool_failed'));
    await assert.rejects(fetch('nonsense', loopback), withCode('tool_failed'));
  });

  it('reads a type that is written in capitals', async () => {
    assert.equal((await fetch(local('/loud'), loopback)).text, '<p>');
  });

  it('follows redirects, so many', async () => {
    assert.equal((await fetch(local(`/?to=/text`), loopback)).url, local('/text'));
    await assert.rejects(
      fetch(local('/?to=/%3Fto=/%253Fto=/text'), { ...loopback, maxRedirects: 1 }),
      /more than 1 times/,
    );
  });

  it('never reaches this machine, its network or the metadata of a cloud, however they are written', async () => {
    const before = seen.length;
    const hosts = [
      ...[
        '127.0.0.1',
        'localhost',
        '127.1',
        '0x7f.1',
        '2130706433',
        '0x7f000001',
        '017700000001',
        '0177.0.0.1',
        '0',
      ],
      ...[
        '127.0.0.1.',
        '１２７.0.0.1',
        '127。0。0。1',
        '[::1]',
        '[::]',
        '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]',
      ],
      ...[
        '[::127.0.0.1]',
        '[64:ff9b::7f00:1]',
        '[2002:7f00:1::]',
        '[fe80::1]',
        '[fd00:ec2::254]',
        '[ff02::1]',
      ],
      ...[
        '169.254.169.254',
        '10.0.0.1',
        '172.31.0.1',
        '192.168.1.1',
        '100.100.100.200',
        '0.0.0.0',
        '255.255.255.255',
      ],
    ];
    for (const host of hosts)
      await assert.rejects(fetch(`http://${host}:${port}/text`), withCode('tool_denied'), host);
    assert.equal(seen.length, before);
  });

  it('checks every redirect', async () => {
    const targets = [
      `http://127.0.0.2:${port}/text`,
      'http://169.254.169.254/latest/meta-data/',
      `//localhost.:${port}/text`,
    ];
    for (const target of [...targets, 'file:///etc/passwd', 'http://user:word@127.0.0.1/'])
      await assert.rejects(
        fetch(local(`/?to=${encodeURIComponent(target)}`), {
          ...loopback,
          resolve: async () => [{ address: '::1', family: 6 }],
        }),
        withCode('tool_denied'),
        target,
      );
  });

  it('connects to the address that was checked, whatever the name comes to mean', async () => {
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return [{ address: asked === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }];
    };
    const { status } = await fetch(`http://rebinding.example:${port}/text`, { ...loopback, resolve });
    assert.deepEqual([status, asked, seen.at(-1)], [200, 1, `rebinding.example:${port} /text`]);
    await assert.rejects(
      fetch(`http://rebinding.example:${port}/text`, { ...loopback, resolve }),
      withCode('tool_denied'),
    );
  });

  it('refuses a name of which one address is not public', async () => {
    const resolve = async () => [
      { address: '93.184.215.14', family: 4 },
      { address: '10.0.0.1', family: 4 },
    ];
    await assert.rejects(fetch('http://mixed.example/', { resolve }), withCode('tool_denied'));
  });

  it('asks only the hosts that it may, and takes nothing but http', async () => {
    const options = {
      ...loopback,
      hosts: ['*.example.org'],
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    };
    assert.equal((await fetch(`http://a.example.org:${port}/text`, options)).status, 200);
    for (const url of [
      `http://example.com:${port}/`,
      'http://badexample.org/',
      'ftp://a.example.org/',
      'http://a:b@a.example.org/',
    ])
      await assert.rejects(fetch(url, options), withCode('tool_denied'), url);
  });
});

describe('the hosts of http_fetch', () => {
  it('are known in whatever way they are written', async () => {
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
    for (const [host, pattern] of [
      ['example.org', 'Example.ORG.'],
      ['a.example.org', '*.Example.org'],
      ['bücher.example', 'Bücher.example'],
      ['127.0.0.1', '0x7f.1'],
    ] as const) {
      const options = { ...loopback, resolve, hosts: [pattern] };
      assert.equal((await fetch(`http://${host}:${port}/text`, options)).status, 200, pattern);
    }
    for (const pattern of ['::1', '[::1]'])
      await assert.rejects(fetch('http://[::1]:1/', { hosts: [pattern] }), /not on the public internet/);
  });

  it('are refused where they are no hosts, and would let nothing through', () => {
    const others = ['https://example.org', 'example.org:8080', 'example.org/a', '.example.org', 'a@b.org'];
    for (const pattern of [...others, '*', 'a.*.org', '*.*.org', 'a b', '', '*.', 'example.org?x'])
      assert.throws(() => httpFetch({ hosts: [pattern] }), withCode('invalid_argument'), pattern);
  });
});

describe('a public address', () => {
  it('is one of the internet', () => {
    for (const address of [
      '1.1.1.1',
      '93.184.215.14',
      '172.32.0.1',
      '2606:4700::1111',
      '2a00:1450:4001:812::200e',
    ])
      assert.ok(isPublicAddress(address), address);
    for (const address of [
      '2001:db8::1',
      '2001::1',
      '3fff::1',
      '::ffff:1.1.1.1',
      'fc00::1',
      '198.18.0.1',
      '168.63.129.16',
      'x',
      '',
    ])
      assert.ok(!isPublicAddress(address), address);
  });

  it('has ranges that are checked when they are given', () => {
    for (const range of ['10.0.0.0', '10.0.0.0/33', 'x/8', '10.0.0.0/-1', '::/129'])
      assert.throws(() => rangesOf([range]), withCode('config_invalid'), range);
  });
});
