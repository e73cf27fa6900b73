import { addAbortListener, once } from 'node:events';
import { connect } from 'node:net';

const answerTimeoutMs = 1_000;

/** Whether a server there greets as AMQP 0-9-1 does: a port that is open may belong to one that is not ready. */
export async function speaksAmqp(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  socket.on('error', () => {});
  using _timeout = addAbortListener(AbortSignal.timeout(answerTimeoutMs), () => socket.destroy());
  try {
    socket.write('AMQP\0\0\x09\x01', 'latin1');
    const ended = once(socket, 'close').then(() => undefined);
    const [first] = (await Promise.race([once(socket, 'data'), ended])) ?? [];
    return first !== undefined;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
