import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { sendRequest } from './send-request.ts';

it('connects to the address that it is given, also when a connection to that name was made before', async () => {
  const server = createServer((request, response) => response.end(request.socket.localAddress));
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  const url = new URL(`http://a.test:${(server.address() as AddressInfo).port}`);
  try {
    for (const address of ['127.0.0.1', '127.0.0.2']) {
      const answer = await sendRequest(url, { headers: {}, at: { address, family: 4 } });
      assert.equal(await text(answer), address);
      await new Promise(setImmediate);
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
