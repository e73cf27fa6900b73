import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Passes TCP connections on to another port of this host, until it is told to cut them or to take no more. */
export class TcpRelay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** End by themselves. */
  readonly #reset = new WeakSet<Socket>();
  #isOpen = true;
  #targetPort: number;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((inner) => {
      const outer = connect(this.#targetPort, '127.0.0.1');
      for (const [from, to] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => {
          this.#sockets.delete(from);
          if (!this.#reset.has(to)) to.destroy();
        });
        from.pipe(to);
      }
      if (!this.#isOpen) this.cut();
    });
  }

  static async open(targetPort: number): Promise<TcpRelay> {
    const relay = new TcpRelay(targetPort);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections at once, as a network that breaks does. */
  cut(): void {
    for (const socket of this.#sockets) {
      // libuv refuses to reset a socket that is shutting down: its handle would stay open, and the process never end.
      if (socket.writableLength > 0 || socket.writableEnded) {
        socket.destroy();
        continue;
      }
      this.#reset.add(socket);
      socket.resetAndDestroy();
    }
  }

  /** `false`: ends all connections, and new ones as soon as they come. */
  pass(isOpen: boolean): void {
    this.#isOpen = isOpen;
    if (!isOpen) this.cut();
  }

  /** Ends all connections; new ones go to that port. */
  target(port: number): void {
    this.#targetPort = port;
    this.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
  }
}
