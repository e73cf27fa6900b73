import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { buildProgram } from '../../packages/cli/src/program.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = await buildProgram({ json: false });

/** Of other programs that the pages tell of. */
const foreign = ['--permission', '--die-with-parent', '--as-pid-1'];

const optionsOf = (command: Command): string[] => [
  '--help',
  ...command.options.flatMap(({ long, short }) => [long ?? '', short ?? '']),
];
const withParents = (command: Command): Command[] =>
  command.parent === null ? [command] : [command, ...withParents(command.parent)];
const withChildren = (command: Command): Command[] => [command, ...command.commands.flatMap(withChildren)];

/** The command that the words begin with, and the options that they name. */
function readCommand(words: readonly string[]): { command: Command; options: string[] } {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (next === undefined) break;
    command = next;
  }
  return { command, options: words.flatMap((word) => /^--?[a-z][\w-]*/.exec(word)?.[0] ?? []) };
}

const written = /(?<=^|^\$ |npx |`)opspawn ((?:(?!`|&&| # | \| ).)+)/gm;

test('every command and every option that the pages name is there', async () => {
  let commands = 0;
  const known = new Set([...withChildren(program).flatMap(optionsOf), ...foreign]);
  for await (const page of glob(['*.md', 'ops-docs/**/*.md', 'examples/**/*.md'], { cwd: root })) {
    const text = await readFile(`${root}/${page}`, 'utf8');
    for (const [line, rest = ''] of text.matchAll(written)) {
      const { command, options } = readCommand(rest.match(/'[^']*'|"[^"]*"|\S+/g) ?? []);
      assert.ok(command !== program || options.length > 0, `${page}: ${line}`);
      const allowed = withParents(command).flatMap(optionsOf);
      for (const option of options) assert.ok(allowed.includes(option), `${page}: ${option} in ${line}`);
      commands++;
    }
    for (const [, option = ''] of text.matchAll(/`(--[a-z][\w-]+)/g))
      assert.ok(known.has(option), `${page}: ${option}`);
  }
  assert.ok(commands > 150, `${commands} commands`);
});
