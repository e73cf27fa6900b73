import type { VirtualTime } from './virtual-time.ts';

/** What happened in one run, and what should not have. */
export class Record {
  readonly lines: string[] = [];
  readonly problems: string[] = [];
  readonly #time: VirtualTime;
  readonly #labels = new Map<string, string>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  note(line: string): void {
    this.lines.push(`${this.#time.now.toFixed(0).padStart(7)} ${line}`);
  }

  problem(text: string): void {
    this.note(`PROBLEM ${text}`);
    this.problems.push(text);
  }

  /** A short name for an id: `t3`, by the order in which they came up. */
  label(id: string): string {
    const label = this.#labels.get(id) ?? `t${this.#labels.size + 1}`;
    this.#labels.set(id, label);
    return label;
  }
}
