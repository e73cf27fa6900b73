import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Ends a server once this process is gone, however it went; `target` is its pid, or that of its group with a minus
 * before it. What it holds on to is the end of a pipe, which only the system lets go of.
 */
export function leash(server: ChildProcess, target: number): void {
  const holder = spawn('/bin/sh', ['-c', 'read -r _; kill -s KILL -- "$0"', String(target)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  holder.unref();
  server.once('exit', () => holder.kill('SIGKILL'));
}
