import { addAbortListener, once } from 'node:events';
import { connect } from 'node:net';

const answerTimeoutMs = 1_000;

/** Whether a server on that port of 127.0.0.1 answers a greeting: a port that is open may belong to one that is not ready. */
export async function answersOn(port: number, greeting: string): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  using _timeout = addAbortListener(AbortSignal.timeout(answerTimeoutMs), () => socket.destroy());
  try {
    socket.write(greeting, 'latin1');
    const ended = once(socket, 'close').then(() => undefined);
    const [first] = (await Promise.race([once(socket, 'data'), ended])) ?? [];
    return first !== undefined;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
