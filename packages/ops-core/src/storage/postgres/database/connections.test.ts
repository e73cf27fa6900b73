import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { Connections, statement } from './connections.ts';

/** A server of PostgreSQL's protocol (its manual, 55.7) that refuses every session in these words. */
async function refusing(fields: Readonly<Record<string, string>>) {
  const body = Buffer.from(
    `${Object.entries(fields)
      .map(([type, text]) => `${type}${text}\0`)
      .join('')}\0`,
  );
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + body.length);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(Buffer.concat([Buffer.from('E'), length, body])));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `postgres://user:password@127.0.0.1:${(server.address() as AddressInfo).port}/database`,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

test('a database that lets no session begin is away, whatever it calls that and in whatever language', async () => {
  await using server = await refusing({ S: 'ВАЖНО', C: 'XX000', M: 'could not write init file' });
  await using connections = new Connections({
    url: server.url,
    searchPath: 'public',
    connections: 3,
    giveUpAfterMs: 100,
  });
  await assert.rejects(connections.run('writes', statement('one', 'select 1'), []), {
    code: 'unavailable',
    message: 'The database cannot be used: could not write init file',
  });
});
