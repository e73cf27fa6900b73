import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Command } from 'commander';
import { buildProgram } from '../../packages/cli/src/program.ts';
import { root, shellLines, wordsOf } from './read-blocks.ts';

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

test('every command line of a block can be carried out as it stands: with the arguments it takes, and values that are allowed', async () => {
  let lines = 0;
  for await (const page of glob(['README.md', 'ops-docs/{tutorials,how-to}/*.md'], { cwd: root })) {
    for (const line of shellLines(await readFile(`${root}/${page}`, 'utf8'))) {
      const parsed = await buildProgram({ json: true });
      for (const each of withChildren(parsed))
        each.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
      for (const each of withChildren(parsed).filter(({ commands }) => commands.length === 0))
        each.action(() => {});
      await parsed
        .parseAsync(wordsOf(line), { from: 'user' })
        .catch((thrown: { code?: string; message: string }) => {
          if (!/help|version/.test(thrown.code ?? ''))
            assert.fail(`${page}: opspawn ${line}: ${thrown.message}`);
        });
      lines++;
    }
  }
  assert.ok(lines > 50, `${lines} lines`);
});
