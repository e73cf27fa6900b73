/** Stands between processes and a server, and breaks connections as networks do. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Each side ends by itself. */
  isReset: boolean;
}

export class TcpProxy implements AsyncDisposable {
  readonly #target: { host: string; port: number };
  readonly #server = createServer({ pauseOnConnect: true }, (client) => this.#accept(client));
  readonly #links = new Set<Link>();
  /** What is on its way to a socket and has not arrived. */
  readonly #late = new Map<Socket, Promise<void>>();
  #delayMs = 0;
  #isSilent = false;
  /** Bytes that the next links may still carry towards the client before they are cut. */
  #cutAfter: number | undefined;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  static async open(target: { host: string; port: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The URL of the server, by way of this proxy. */
  urlOf(url: string): string {
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String(this.port);
    return through.href;
  }

  /** Ends all connections with a reset. */
  reset(): void {
    for (const link of this.#links) {
      link.isReset = true;
      resetSocket(link.client);
      resetSocket(link.server);
    }
  }

  /** Carries at most `bytes` more of the answers, in the middle of a frame as a rule, and then ends the connection. */
  cutAfter(bytes: number): void {
    this.#cutAfter = bytes;
  }

  /** What is sent from now on arrives so much later. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Half-open: connections stay and nothing arrives any more, on either side. */
  silence(isSilent: boolean): void {
    this.#isSilent = isSilent;
    // What was swallowed is missing in the stream: it cannot go on.
    if (!isSilent) this.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #accept(client: Socket): void {
    const link: Link = { client, server: connect(this.#target), isReset: false };
    this.#links.add(link);
    const end = (): void => {
      this.#links.delete(link);
      if (link.isReset) return;
      client.destroy();
      link.server.destroy();
    };
    for (const socket of [client, link.server]) socket.on('error', end).on('close', end);
    client.on('data', (chunk: Buffer) => this.#carry(chunk, link.server));
    link.server.on('data', (chunk: Buffer) => this.#carry(this.#cut(chunk, link), client));
    client.resume();
  }

  #cut(chunk: Buffer, { client }: Link): Buffer {
    if (this.#cutAfter === undefined) return chunk;
    const carried = chunk.subarray(0, this.#cutAfter);
    this.#cutAfter -= carried.length;
    if (carried.length === chunk.length) return chunk;
    this.#cutAfter = undefined;
    setImmediate(() => client.destroy());
    return carried;
  }

  /** In order, whatever the delay is when a chunk comes. */
  #carry(chunk: Buffer, to: Socket): void {
    if (this.#isSilent) return;
    const before = this.#late.get(to);
    const write = (): void => {
      if (to.writable) to.write(chunk);
    };
    if (this.#delayMs === 0 && before === undefined) {
      write();
      return;
    }
    const sent = Promise.all([before, sleep(this.#delayMs)]).then(() => {
      if (this.#late.get(to) === sent) this.#late.delete(to);
      write();
    });
    this.#late.set(to, sent);
  }
}

/**
 * Where something is still to be sent, the socket is closed instead: libuv refuses to reset one that is shutting down, and
 * its handle would stay open for good, so that the process never ends.
 */
function resetSocket(socket: Socket): void {
  if (socket.writableLength > 0 || socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
