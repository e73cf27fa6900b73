/** Reads what the tool `list_directory_with_sizes` of @modelcontextprotocol/server-filesystem answers. */

export interface Listed {
  kind: 'file' | 'folder';
  name: string;
  /** As the server writes it, rounded: `1.25 KB`. Files only. */
  size?: string;
}

const nameWidth = 30;
const sizeWidth = 11;
const summary = /\n?\nTotal: \d+ files, \d+ directories\nCombined size: [^\n]*$/;
const entryStart = /\n(?=\[(?:FILE|DIR)\] )/;
const fileEntry = /^\[FILE\] (.*?) *(\d+(?:\.\d+)? [KMGT]?B)$/s;

/** The entries of one listing. Names may hold spaces and line breaks; spaces at the end of a short name are lost. */
export function parseListing(text: string): Listed[] {
  const body = text.replace(summary, '');
  if (body === '') return [];
  return body.split(entryStart).flatMap((line): Listed[] => {
    if (line.startsWith('[DIR] ')) return [{ kind: 'folder', name: unpad(line.slice(6, -1)) }];
    const file = fileEntry.exec(line);
    if (file?.[2] === undefined) return [];
    return [{ kind: 'file', name: unpad(line.slice(7, -sizeWidth)), size: file[2] }];
  });
}

/** The server pads names to 30 characters; a longer name stands as it is. */
const unpad = (name: string): string => (name.length > nameWidth ? name : name.trimEnd());

const factors: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
};

/** `1.25 KB` in bytes; 0 for what is no size. */
export function parseSize(size: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?B)?\s*$/i.exec(size);
  if (match?.[1] === undefined) return 0;
  return Math.round(Number(match[1]) * (factors[(match[2] ?? 'B').toUpperCase()] ?? 1));
}

/** Bytes for people: `1.3 KB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
