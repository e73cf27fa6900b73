import { errorCodes, OpspawnError } from '@opspawn/agentkit/schema';
import { CommanderError } from 'commander';
import { printable, style } from './output.ts';

/** Exit code for a mistake on the command line; the same as that of `invalid_argument`. */
const usageExit = errorCodes.invalid_argument.exit;

/**
 * Tells on stderr what went wrong, in a line for people and with a hint when there is one (`details.hint`), or as one
 * line of JSON. Gives the exit code: that of the error's code, 2 for a mistake on the command line.
 */
export function reportFailure(thrown: unknown, { json }: { json: boolean }): number {
  if (thrown instanceof CommanderError) return reportUsage(thrown, json);
  const error = thrown instanceof OpspawnError ? thrown : unexpected(thrown);
  const { hint, ...details } = error.details;
  if (json) {
    const body = {
      code: error.code,
      message: error.message,
      details,
      ...(typeof hint === 'string' && { hint }),
    };
    process.stderr.write(`${JSON.stringify({ error: body })}\n`);
  } else {
    const lines = [`${style('red', 'error:', process.stderr)} ${printable(error.message)} [${error.code}]`];
    if (typeof hint === 'string') lines.push(hint);
    if (error.code === 'internal' && error.cause instanceof Error)
      lines.push(printable(String(error.cause.stack)));
    process.stderr.write(`${lines.join('\n')}\n`);
  }
  return errorCodes[error.code].exit;
}

/** Commander has written help, version or what is wrong already. */
function reportUsage(error: CommanderError, json: boolean): number {
  if (error.exitCode === 0) return 0;
  if (json && error.code !== 'commander.help') {
    const message = error.message.replace(/^error: /, '');
    process.stderr.write(
      `${JSON.stringify({ error: { code: 'invalid_argument', message, details: {} } })}\n`,
    );
  }
  return usageExit;
}

const unexpected = (thrown: unknown): OpspawnError =>
  new OpspawnError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
