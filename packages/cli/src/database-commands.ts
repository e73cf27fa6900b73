/** The commands that work on a database itself. */
import type { Command } from 'commander';
import { command, onDatabase } from './command-options.ts';

export function addDatabase(db: Command): void {
  const load = () => import('./commands/db.ts');
  onDatabase(command(db, 'status', 'Schema, size and counts of tasks; changes nothing')).action(
    async (options) => (await load()).status(options),
  );
  onDatabase(command(db, 'migrate', 'Bring the schema up to date, as every start does')).action(
    async (options) => (await load()).migrate(options),
  );
  addMoves(db);
}

function addMoves(db: Command): void {
  const load = () => import('./commands/db-move.ts');
  command(db, 'copy', 'Move all tasks to another database, which must be empty')
    .requiredOption('--from <url>', 'sqlite:FILE or postgres://…')
    .requiredOption('--to <url>', 'sqlite:FILE or postgres://…')
    .option('--keep-source', 'let the source go on as it is: for a copy to try things on')
    .addHelpText(
      'after',
      `
Stop workers first, and best servers too. All rows are copied in one transaction, counted and compared; then the source refuses
every write, so that nothing is accepted where it would be lost. When anything goes wrong, the target stays empty and the source as it was.

Examples:
  opspawn db copy --from sqlite:.opspawn/opspawn.db --to postgres://opspawn:secret@db:5432/opspawn
  opspawn db copy --from postgres://… --to sqlite:copy.db --keep-source`,
    )
    .action(async (options) => (await load()).copy(options));
  onDatabase(
    command(db, 'backup <file>', 'Write a SQLite database to a new file, while it is in use'),
  ).action(async (file, options) => (await load()).backup(file, options));
}

export function addKey(key: Command): void {
  const load = () => import('./commands/key.ts');
  onDatabase(command(key, 'create', 'Make a key, by working on the database itself'))
    .requiredOption('--name <name>', 'whose it is')
    .option(
      '--namespace <name>',
      'in which its holder works, apart from all others (default: OPSPAWN_NAMESPACE, or default)',
    )
    .action(async (options) => (await load()).create(options));
  onDatabase(command(key, 'list', 'Whose keys there are')).action(async (options) =>
    (await load()).list(options),
  );
  onDatabase(command(key, 'delete <id>', 'Take a key away: servers refuse it within seconds')).action(
    async (id, options) => (await load()).remove(id, options),
  );
}
