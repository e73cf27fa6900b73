import type { Entry, Task } from '@opspawn/sdk';
import { createEntryDescriber, labelOf } from '../../packages/cli/src/describe-entry.ts';
import { formatDuration, oneLine, printable, style } from '../../packages/cli/src/output.ts';
import { quoteArgument } from '../../packages/cli/src/watch-task.ts';
import type { Evidence } from './evidence.ts';

/** What the demo shows: plain lines, and in a terminal one below them that says what is under way. */
export class Screen {
  readonly #stream = process.stdout;
  readonly #startedAt = performance.now();
  readonly #describe = createEntryDescriber();
  /** Tool calls that began and have no recorded result, by call id. */
  readonly #underWay = new Map<string, string>();

  say(text: string): void {
    this.#stream.write(`${this.#stream.isTTY ? '\r\u001b[K' : ''}${text}\n`);
  }

  facts(facts: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(facts)) this.say(`  ${name.padEnd(7)} ${printable(value)}`);
  }

  entry(entry: Entry): void {
    this.#underWay.delete(labelOf(entry).split(':').slice(2).join(':'));
    const { kind, subject, detail, ok, durationMs } = this.#describe(entry);
    const clock = formatDuration(performance.now() - this.#startedAt).padStart(8);
    const head = `${clock}  ${String(entry.seq).padStart(3)}  ${kind.padEnd(6)} `;
    const tail = durationMs === undefined ? '' : `  ${formatDuration(durationMs)}`;
    const text = oneLine(
      `${shortTool(subject)} ${shortTool(detail)}`,
      this.#width() - head.length - tail.length,
    );
    this.say(`${style('dim', head)}${ok ? text : style('red', text)}${style('dim', tail)}`);
    this.#showUnderWay();
  }

  live(event: unknown): void {
    const { type, callId, tool, input } = event as Record<string, unknown>;
    if (type !== 'tool.started') return;
    const path = (input as { path?: string } | undefined)?.path ?? '';
    this.#underWay.set(String(callId), `${shortTool(String(tool))} ${path}`.trim());
    this.#showUnderWay();
  }

  killed(pid: number, recorded: readonly Entry[]): void {
    const cut = shortList([...this.#underWay.values()].map(printable));
    this.#underWay.clear();
    this.say(style(['bold', 'red'], `\n✖ SIGKILL to the worker (pid ${pid}) in the middle of: ${cut}`));
    this.say(`  Recorded so far: ${namesOf(recorded)}.`);
    this.say('  Starting a new worker …');
  }

  takeover(pid: number, recorded: readonly Entry[]): void {
    this.say(style(['bold', 'green'], `↻ The new worker (pid ${pid}) takes the task over as its attempt 2.`));
    this.say(
      `  Steps 1 to ${recorded.length} come from the journal. What was under way has no result there: it only reads,`,
    );
    this.say('  so that it runs again. (An effect that must not happen twice would wait for a decision.)\n');
  }

  result({ status, output, error, usage, attempt }: Task, { durationMs }: { durationMs: number }): void {
    const end = `The task is ${status} after ${formatDuration(durationMs)} and ${attempt} attempts. Its result:`;
    this.say(`\n${style('bold', end)}\n`);
    this.say(printable(typeof output === 'string' ? output.trimEnd() : (error?.message ?? '')));
    this.say('');
    if (usage === undefined) return;
    const { inputTokens, outputTokens, costMicroUsd } = usage;
    const cost =
      costMicroUsd === undefined ? 'unknown: no price for this model' : `$${(costMicroUsd / 1e6).toFixed(4)}`;
    this.facts({ tokens: `${inputTokens} in, ${outputTokens} out`, cost });
  }

  /** Says what was found, and whether it is as promised. */
  verdict(
    { steps, stepsOfFirst, serverCalls, turns, again, repeated }: Evidence,
    { status, id }: Task,
    dataDir: string,
  ): boolean {
    const held = repeated.length === 0 && status === 'completed';
    this.facts({
      steps: `${steps} recorded: ${stepsOfFirst} by the first worker, ${steps - stepsOfFirst} by the second`,
      calls: `${serverCalls} arrived at the MCP server${turns > 0 ? `, ${turns} at the rules` : ''}, by their own count; again: ${shortList(again)}`,
      ...(repeated.length === 0 ? {} : { TWICE: repeated.join(', ') }),
    });
    const verdict = held ? '✔ No recorded step ran twice.' : '✖ The demo did not end as it should.';
    this.say(`\n${style(['bold', held ? 'green' : 'red'], verdict)}`);
    this.say(`\nThe journal again, read from the data folder:`);
    this.say(`  npx opspawn task journal ${id} --data ${quoteArgument(dataDir)}`);
    return held;
  }

  #width(): number {
    return this.#stream.isTTY ? Math.max(70, this.#stream.columns) : 120;
  }

  #showUnderWay(): void {
    if (!this.#stream.isTTY || this.#underWay.size === 0) return;
    const text = oneLine(`… ${[...this.#underWay.values()].join(', ')}`, this.#width() - 1);
    this.#stream.write(`\r\u001b[K${style('dim', text)}`);
  }
}

const shortList = (values: readonly string[]): string =>
  values.length <= 4
    ? values.join(', ') || 'none'
    : `${values.slice(0, 3).join(', ')} and ${values.length - 3} more`;

const shortTool = (text: string): string => text.replaceAll('filesystem__', '');

/** `4 × model turn, 6 × list_directory_with_sizes`. */
function namesOf(entries: readonly Entry[]): string {
  const describe = createEntryDescriber();
  const names = entries.map((entry) => {
    const { kind, subject } = describe(entry);
    return kind === 'model' ? 'model turn' : shortTool(subject);
  });
  return [...Map.groupBy(names, (name) => name)]
    .map(([name, group]) => `${group.length} × ${printable(name)}`)
    .join(', ');
}
