import { stripVTControlCharacters, styleText } from 'node:util';

export interface Column<Row> {
  header: string;
  value: (row: Row) => string;
  /** Shortened first when the table is wider than the terminal. At most one column. */
  shrinks?: boolean;
}

/** Data goes to stdout, talk to stderr. With `--json` every record is one line of JSON. */
export interface Output {
  readonly json: boolean;
  /** One record: JSON, or the text made for people. */
  record(value: unknown, text: () => string): void;
  /** Many records of one sort: one line of JSON each, or a table. `none` is said when there are none. */
  records<Row>(rows: readonly Row[], columns: readonly Column<Row>[], none: string): void;
  /** For people only. */
  talk(text: string): void;
}

export function createOutput({ json }: { json: boolean }): Output {
  const write = (text: string) => process.stdout.write(`${text}\n`);
  const talk = (text: string) => void process.stderr.write(`${text}\n`);
  return {
    json,
    talk,
    record: (value, text) => void write(json ? JSON.stringify(value) : text()),
    records: (rows, columns, none) => {
      if (json) for (const row of rows) write(JSON.stringify(row));
      else if (rows.length === 0) talk(none);
      else write(formatTable(rows, columns, process.stdout.isTTY ? process.stdout.columns : undefined));
    },
  };
}

type Style = Parameters<typeof styleText>[0];

/** Colours only where a terminal shows them and NO_COLOR is not set. */
export const style = (format: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  styleText(format, text, { stream });

/** The text with everything that could steer a terminal made visible; line breaks and tabs stay. */
export const printable = (text: string): string =>
  stripVTControlCharacters(text).replace(/[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/gu, (char) =>
    char === '\n' || char === '\t' ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** The text on one line, at most `width` characters. */
export function oneLine(text: string, width = Number.POSITIVE_INFINITY): string {
  const line = printable(text).replace(/\s+/g, ' ').trim();
  const characters = [...line];
  return characters.length <= width ? line : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

const gap = 2;
const narrowest = 12;

/** Columns as wide as their widest cell; with `width`, the one that `shrinks` gives way. */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width: number | undefined,
): string {
  const cells = [
    columns.map(({ header }) => header),
    ...rows.map((row) => columns.map(({ value }) => oneLine(value(row)))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => [...(line[index] ?? '')].length)));
  const shrinking = columns.findIndex((column) => column.shrinks);
  const total = widths.reduce((sum, each) => sum + each, 0) + gap * (columns.length - 1);
  if (width !== undefined && shrinking !== -1 && total > width) {
    widths[shrinking] = Math.max(narrowest, (widths[shrinking] ?? 0) - (total - width));
  }
  const format = (line: readonly string[]) =>
    line
      .map((cell, index) => pad(oneLine(cell, widths[index]), widths[index] ?? 0))
      .join(' '.repeat(gap))
      .trimEnd();
  const [header = [], ...body] = cells.map(format);
  return [style('bold', String(header)), ...body].join('\n');
}

const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - [...text].length));

/** `340 ms`, `2.4 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(durationMs: number): string {
  const seconds = durationMs / 1000;
  if (seconds < 1) return `${Math.round(durationMs)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
