/** A connection to PostgreSQL as through a pooler in transaction mode: everything passes but what NOTIFY delivers. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** `NotificationResponse` (PostgreSQL's manual, message formats): `A`, then the length of the rest, itself included. */
const notification = 'A'.charCodeAt(0);

export interface DeafProxy extends AsyncDisposable {
  readonly url: string;
  isDeaf: boolean;
}

export async function deafProxy(url: string): Promise<DeafProxy> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const proxy = { isDeaf: true };
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    let rest: Buffer = Buffer.alloc(0);
    upstream.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
        const message = rest.subarray(0, 1 + rest.readUInt32BE(1));
        rest = rest.subarray(message.length);
        if (!(proxy.isDeaf && message[0] === notification)) client.write(message);
      }
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const own = (server.address() as AddressInfo).port;
  return Object.assign(proxy, {
    url: Object.assign(new URL(url), { port: String(own) }).href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
