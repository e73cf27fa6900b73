import type { EntryType } from '@opspawn/sdk';
import type { EntryRow } from '../store.ts';

type Text = string | null;
type Int = number | null;
export type JournalRow = [
  seq: number,
  type: EntryType,
  attempt: number,
  at: number,
  branch: Text,
  name: Text,
  count: Int,
  asked: Int,
  data: Text,
];

export function entryOf(row: JournalRow): EntryRow {
  const [seq, type, attempt, at, branch, name, count, asked, data] = row;
  const entry: EntryRow = { seq, type, attempt, at };
  if (branch !== null) entry.branch = branch;
  if (name !== null) entry.name = name;
  if (count !== null) entry.count = count;
  if (asked !== null) entry.asked = asked;
  if (data !== null) entry.data = data;
  return entry;
}
