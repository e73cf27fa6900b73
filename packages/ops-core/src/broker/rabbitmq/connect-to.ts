import type { Socket } from 'node:net';
import { Connection, type ConnectionOptions } from 'rabbitmq-client';

/** Larger than any frame that was agreed on: rabbitmq-client asks for at most 8 KiB. */
const longestRead = 128 * 1024;

/** As the client's own errors: with a code, which says here that something else than a broker answered. */
class NotAmqp extends Error {
  readonly code = 'NOT_AMQP';
  constructor() {
    super('it does not speak AMQP 0-9-1');
  }
}

/**
 * A client that outlives whatever answers at the broker's port, as a balancer or another program that took it:
 * rabbitmq-client 5.0 takes its text for the length of a frame, waits for a gigabyte or ends the process by what Node
 * throws of more. Here it is a lost connection, which is tried again.
 */
export function connectTo(options: ConnectionOptions): Connection {
  return new CheckedConnection(options);
}

class CheckedConnection extends Connection {
  /** Makes the socket of each try; rabbitmq-client's types do not tell of it. */
  protected _connect(): Socket {
    const connect = Reflect.get(Connection.prototype, '_connect') as (this: Connection) => Socket;
    return checked(connect.call(this));
  }
}

function checked(socket: Socket): Socket {
  const read = socket.read.bind(socket);
  socket.read = (bytes?: number) => {
    if (bytes === undefined || bytes <= longestRead) return read(bytes);
    socket.destroy(new NotAmqp());
    return null;
  };
  return socket;
}
