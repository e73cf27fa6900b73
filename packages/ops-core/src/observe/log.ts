import { type Logger, pino } from 'pino';

/** What is kept of lines that cannot be written, as on a full disk, until they can be. */
const mostKeptBytes = 1_048_576;

/**
 * The process's own log: one JSON object a line on stderr, `time` in ISO 8601. Lines about a task carry `taskId`, and
 * `attempt` where one runs it. A line that cannot be written ends nothing.
 */
export type Log = Logger;

export function createLog(options: { level: string; fields?: Readonly<Record<string, unknown>> }): Log {
  // At once, so that a process that is killed has said what it knew.
  const stderr = pino.destination({ dest: 2, sync: true, maxLength: mostKeptBytes });
  stderr.on('error', () => {});
  return pino(
    {
      level: options.level,
      base: { pid: process.pid, ...options.fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stderr,
  );
}
