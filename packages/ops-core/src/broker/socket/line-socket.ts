import type { Socket } from 'node:net';
import { type BusMessage, busMessageSchema } from '../message.ts';

/** Beyond it live messages are dropped: they are hints. */
const dropBytes = 256 * 1024;
/** Beyond it the reader is too slow or gone: it is cut off and starts again. Also the longest line that is read. */
const cutBytes = 4 * 1024 * 1024;

/** Messages as lines of JSON over a socket, with bounded buffers. A line that is no message ends the connection. */
export class LineSocket {
  readonly #socket: Socket;
  #rest = '';

  constructor(socket: Socket, on: { message(message: BusMessage): void; end(): void }) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.unref();
    socket.on('data', (chunk: string) => this.#read(chunk, on.message));
    // An error is always followed by `close`, which says all that matters here.
    socket.on('error', () => {});
    socket.on('close', on.end);
  }

  send(message: BusMessage): void {
    const waitingBytes = this.#socket.writableLength;
    if (message.kind === 'live' && waitingBytes > dropBytes) return;
    if (waitingBytes > cutBytes) this.#socket.destroy();
    else this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: string, onMessage: (message: BusMessage) => void): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = parseMessage(line);
      if (message === undefined) return void this.#socket.destroy();
      onMessage(message);
    }
    if (this.#rest.length > cutBytes) this.#socket.destroy();
  }
}

function parseMessage(line: string): BusMessage | undefined {
  try {
    return busMessageSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
