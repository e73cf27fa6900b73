import { type Logger, pino } from 'pino';

/**
 * The process's own log: one JSON object a line on stderr, `time` in ISO 8601. Lines about a task carry `taskId`, and
 * `attempt` where one runs it.
 */
export type Log = Logger;

export function createLog(options: { level: string; fields?: Readonly<Record<string, unknown>> }): Log {
  return pino(
    {
      level: options.level,
      base: { pid: process.pid, ...options.fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    // At once, so that a process that is killed has said what it knew.
    pino.destination({ dest: 2, sync: true }),
  );
}
