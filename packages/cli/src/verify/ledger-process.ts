/**
 * The ledger's process: appends each line that a worker says to a file, and answers when it is on disk. What comes while
 * it syncs is synced together. Started as `node ledger-process.ts SOCKET FILE`; ends with its stdin.
 */
import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const [socketPath = '', filePath = ''] = process.argv.slice(2);
const file = openSync(filePath, 'a');
let waiting: { line: string; socket: Socket }[] = [];

function flush(): void {
  const batch = waiting;
  waiting = [];
  writeSync(file, batch.map(({ line }) => `${line}\n`).join(''));
  fdatasyncSync(file);
  for (const { socket } of batch) if (socket.writable) socket.write('ok\n');
}

const server = createServer((socket) => {
  // A worker that was killed leaves in the middle of a line, which then was not said. Its reset reaches the reader too.
  const leave = () => socket.destroy();
  socket.on('error', leave);
  const lines = createInterface({ input: socket }).on('error', leave);
  lines.on('line', (line) => {
    if (!line.endsWith('}')) return;
    waiting.push({ line, socket });
    if (waiting.length === 1) setImmediate(flush);
  });
});
server.listen(socketPath, () => process.stdout.write('ready\n'));
process.stdin.on('end', () => process.exit()).resume();
