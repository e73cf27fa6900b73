import { addAbortListener, once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const protocolHeader = Buffer.from('AMQP\0\0\x09\x01', 'latin1');
/** The first byte of a frame, and of the header with which a broker of another version answers. */
const firstBytes = [1, protocolHeader[0]];

/**
 * Whether what listens there answers the greeting of AMQP 0-9-1: a client that takes the text of an HTTP server for the
 * length of a frame dies of it. Also true for what does not listen or answer: that is for the client to find out.
 */
export async function mayBeAmqp(url: string, timeoutMs: number): Promise<boolean> {
  const { protocol, hostname: host, port } = new URL(url);
  const socket =
    protocol === 'amqps:'
      ? connectTls({ host, port: Number(port || 5671) })
      : connect({ host, port: Number(port || 5672) });
  socket.on('error', () => {});
  using _timeout = addAbortListener(AbortSignal.timeout(timeoutMs), () => socket.destroy());
  const ended = once(socket, 'close').then(() => []);
  socket.write(protocolHeader);
  const [answer] = (await Promise.race([once(socket, 'data'), ended]).catch(() => [])) as [Buffer?];
  socket.destroy();
  return answer === undefined || firstBytes.includes(answer[0]);
}
