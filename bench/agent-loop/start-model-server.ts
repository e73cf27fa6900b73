import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Starts a model server, by default the one that answers at once. It ends when it is disposed, or with this process. */
export async function startModelServer(
  name: 'model-server' | 'silent-server' = 'model-server',
): Promise<{ readonly url: string } & AsyncDisposable> {
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const server = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(server, 'exit').then(() => {
    throw new Error('The model server ended');
  });
  const line = once(createInterface(server.stdout), 'line') as Promise<[string]>;
  const [url] = await Promise.race([line, exited]);
  exited.catch(() => {});
  return {
    url,
    async [Symbol.asyncDispose]() {
      const ended = once(server, 'exit');
      server.stdin.end();
      await ended;
    },
  };
}
