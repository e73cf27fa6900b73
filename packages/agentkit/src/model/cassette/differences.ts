import type { Json } from '../../json.ts';

const longestValue = 120;

/** Where two values differ, a line each: `messages[2].content[0].text: recorded "a", now "b"`. */
export function differences(recorded: Json, now: Json, path = ''): string[] {
  if (Object.is(recorded, now)) return [];
  if (!isContainer(recorded) || !isContainer(now) || Array.isArray(recorded) !== Array.isArray(now)) {
    return [`${path || 'the whole'}: recorded ${show(recorded, now)}, now ${show(now, recorded)}`];
  }
  const before = new Map(entriesOf(recorded));
  const after = new Map(entriesOf(now));
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [a, b] = [before.get(key), after.get(key)];
    const at = Array.isArray(recorded) ? `${path}[${key}]` : `${path}${path && '.'}${key}`;
    if (a === undefined && b === undefined) return [];
    if (a === undefined) return [`${at}: not recorded, now ${show(b as Json)}`];
    if (b === undefined) return [`${at}: recorded ${show(a)}, now absent`];
    return differences(a, b, at);
  });
}

type Container = Json[] | { [key: string]: Json };

const isContainer = (value: Json): value is Container => typeof value === 'object' && value !== null;

const entriesOf = (value: Container): [string, Json][] => Object.entries(value as { [key: string]: Json });

/** Long texts from a little before the place where they begin to differ. */
function show(value: Json, other?: Json): string {
  const text = JSON.stringify(value);
  if (text.length <= longestValue) return text;
  const compared = other === undefined ? '' : JSON.stringify(other);
  let same = 0;
  while (same < text.length && text[same] === compared[same]) same += 1;
  const start = same === text.length ? 0 : Math.max(0, Math.min(same - 20, text.length - longestValue));
  return `${start > 0 ? '…' : ''}${text.slice(start, start + longestValue)}${start + longestValue < text.length ? '…' : ''}`;
}
