/** The commands that say what agents have cost. */
import { type Command, Option } from 'commander';
import { command, connecting, wholeNumber } from './command-options.ts';

const limited = (to: Command): Command =>
  to.addOption(
    new Option('--limit <n>', 'how many, the newest first (default: 100)').argParser(wholeNumber(1, 1_000)),
  );

const load = () => import('./commands/session.ts');

export function addSpending(spending: Command): void {
  limited(connecting(spending))
    .addOption(
      new Option('--by <what>', 'what is added up').choices(['day', 'agent', 'session']).default('day'),
    )
    .action(async (options) => (await load()).spending(options));
}

export function addSession(session: Command): void {
  limited(connecting(command(session, 'list', 'Sessions and what they have cost, the newest first'))).action(
    async (options) => (await load()).list(options),
  );
  connecting(command(session, 'get <session>', 'A session and what it has cost')).action(
    async (id, options) => (await load()).get(id, options),
  );
  connecting(
    command(session, 'delete <session>', 'Delete its conversation and the memories that are only its own'),
  ).action(async (id, options) => (await load()).remove(id, options));
}
