import { parseArgs } from 'node:util';

/** Reads `--name value` for each name, with its default. Throws for any other. */
export function readArguments<const Defaults extends Readonly<Record<string, string>>>(
  args: readonly string[],
  defaults: Defaults,
): Record<keyof Defaults, string> {
  const entries = Object.entries(defaults).map(([name, value]) => [name, { type: 'string', default: value }]);
  const { values } = parseArgs({ args: [...args], options: Object.fromEntries(entries) });
  return values as Record<keyof Defaults, string>;
}
