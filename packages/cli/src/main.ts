/**
 * The command line. Loads commander and the list of commands; the options of a command are loaded when it is named, and its
 * code when it runs, so that help is answered before anything else of ours.
 */
import { writeSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { CommanderError } from 'commander';
import { buildProgram } from './program.ts';

// Halves the start: 250 ms to load all of ours, 110 from the cache.
enableCompileCache();

// Started by bin/opspawn.cjs from another Node: the end of that process is the end of this one.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();

// A reader that has seen enough (`opspawn task list | head`) is no error; a full disk is.
process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') process.exit(0);
  writeSync(2, `error: the output cannot be written: ${message}\n`);
  process.exit(1);
});

// What is said to people, or logged, may be lost: what was asked for is done all the same.
process.stderr.on('error', () => {});

const json = process.argv.includes('--json');
try {
  const program = await buildProgram({ json, words: process.argv.slice(2) });
  await program.parseAsync();
} catch (thrown) {
  const helped = thrown instanceof CommanderError && thrown.exitCode === 0;
  if (!helped) {
    const { reportFailure } = await import('./failure.ts');
    process.exitCode = reportFailure(thrown, { json });
  }
}
