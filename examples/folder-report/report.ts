import { type Exploration, quotePath } from './exploration.ts';
import { formatSize } from './listing.ts';

/** The agent's result: a report in Markdown. */
export function writeReport(found: Exploration): string {
  const { figures } = found;
  const sections = [
    '# Folder report',
    found.files.length === 0 ? 'The folder holds no files.' : summarize(found),
    figures && found.files.length > 0 ? `## Files by type\n\n${figures.table}` : undefined,
    figures && found.files.length > 0
      ? `## Largest files\n\n${figures.largest.map(largestLine).join('\n')}`
      : undefined,
    found.readFiles > 0 ? `## TODOs\n\n${todoLines(found)}` : undefined,
    found.leftOut.length > 0 ? `## Left out\n\n${leftOutLines(found)}` : undefined,
  ];
  return `${sections.filter((section) => section !== undefined).join('\n\n')}\n`;
}

function summarize({ files, listedFolders, readFiles, todos, figures }: Exploration): string {
  const size = figures === undefined ? '' : `, ${formatSize(figures.bytes)} in all`;
  const average =
    figures === undefined
      ? ''
      : ` A file has ${formatSize(figures.averageBytes)} on average, the median is ${formatSize(figures.medianBytes)}.`;
  return (
    `${count(files.length, 'file')} in ${count(listedFolders, 'folder')}${size}.${average} ` +
    `${count(readFiles, 'text file')} read, ${count(todos.length, 'TODO')} found.`
  );
}

const largestLine = ({ path, bytes }: { path: string; bytes: number }): string =>
  `- ${quotePath(path)}: ${formatSize(bytes)}`;

const maxListed = 50;

function todoLines({ todos }: Exploration): string {
  if (todos.length === 0) return 'None in the files that were read.';
  const lines = todos
    .slice(0, maxListed)
    .map(({ path, line, text }) => `- ${quotePath(`${path}:${line}`)} ${text}`.trimEnd());
  return lines.join('\n') + rest(todos.length);
}

function leftOutLines({ leftOut }: Exploration): string {
  const lines = leftOut.slice(0, maxListed).map((sentence) => `- ${sentence}`);
  return lines.join('\n') + rest(leftOut.length);
}

const rest = (length: number): string => (length > maxListed ? `\n- and ${length - maxListed} more` : '');
const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;
