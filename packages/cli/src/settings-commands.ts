/** `opspawn settings …` */
import { type Command, Option } from 'commander';
import { command, reaching } from './command-options.ts';

const ofNamespace = () =>
  new Option('--namespace <name>', 'of this one (default: OPSPAWN_NAMESPACE, or that of the key)');

export function addSettings(settings: Command): void {
  const load = () => import('./commands/settings.ts');
  reaching(command(settings, 'get', 'Show them'))
    .addOption(ofNamespace())
    .action(async (options) => (await load()).get(options));
  reaching(command(settings, 'set', 'Change some of them; the others stay as they are'))
    .addOption(ofNamespace())
    .option('--keep-completed <days>', 'how long completed tasks are kept: days, "forever" or "default"')
    .option('--keep-failed <days>', 'how long failed tasks are kept')
    .option('--keep-cancelled <days>', 'how long cancelled tasks are kept')
    .option('--max-pending <n>', 'tasks that may be pending at once; "none" for no limit')
    .option('--max-per-minute <n>', 'tasks that may be submitted a minute')
    .option('--max-payload-bytes <n>', 'bytes of one task’s input')
    .option('--weight <n>', 'its share of each worker beside other namespaces; "none" for 1')
    .addHelpText(
      'after',
      '\nExamples:\n  opspawn settings set --keep-completed 7 --keep-failed forever\n  opspawn settings set --max-pending 100000',
    )
    .action(async (options) => (await load()).set(options));
}
