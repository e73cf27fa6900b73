/** The tool `compute_figures`: arithmetic that a language model should not do in its head. Runs in a process of its own. */
import { formatSize, parseSize } from './listing.ts';

export interface FiguresInput {
  files: { path: string; size: string }[];
  todos: { path: string; line: number; text: string }[];
}

export interface TypeFigures {
  type: string;
  files: number;
  bytes: number;
  averageBytes: number;
  todos: number;
}

export interface Figures {
  files: number;
  bytes: number;
  averageBytes: number;
  medianBytes: number;
  todos: number;
  /** Most files first. */
  byType: TypeFigures[];
  /** At most 10, largest first. */
  largest: { path: string; bytes: number }[];
  /** `byType` as a Markdown table. */
  table: string;
}

export default function computeFigures({ files, todos }: FiguresInput): Figures {
  const sized = files.map(({ path, size }) => ({ path, type: typeOf(path), bytes: parseSize(size) }));
  const todoTypes = todos.map(({ path }) => typeOf(path));
  const bytes = sum(sized.map((file) => file.bytes));
  const byType = [...Map.groupBy(sized, (file) => file.type)].map(([type, group]): TypeFigures => {
    const typeBytes = sum(group.map((file) => file.bytes));
    return {
      type,
      files: group.length,
      bytes: typeBytes,
      averageBytes: average(typeBytes, group.length),
      todos: todoTypes.filter((todoType) => todoType === type).length,
    };
  });
  byType.sort((a, b) => b.files - a.files || b.bytes - a.bytes || a.type.localeCompare(b.type));
  const bySize = sized.toSorted((a, b) => b.bytes - a.bytes || a.path.localeCompare(b.path));
  return {
    files: sized.length,
    bytes,
    averageBytes: average(bytes, sized.length),
    medianBytes: bySize[Math.floor(bySize.length / 2)]?.bytes ?? 0,
    todos: todos.length,
    byType,
    largest: bySize.slice(0, 10).map(({ path, bytes: size }) => ({ path, bytes: size })),
    table: markdownTable(byType),
  };
}

/** The extension in lower case, or `(none)`. */
export function typeOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 && dot < name.length - 1 ? name.slice(dot).toLowerCase() : '(none)';
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const average = (total: number, count: number): number => (count === 0 ? 0 : Math.round(total / count));

function markdownTable(rows: readonly TypeFigures[]): string {
  const lines = rows.map(
    (row) =>
      `| ${row.type.replace(/[|\r\n]/g, ' ')} | ${row.files} | ${formatSize(row.bytes)} | ${formatSize(row.averageBytes)} | ${row.todos} |`,
  );
  return ['| type | files | size | average | TODOs |', '|---|---:|---:|---:|---:|', ...lines].join('\n');
}
