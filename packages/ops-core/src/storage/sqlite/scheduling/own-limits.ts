import type { DatabaseSync } from 'node:sqlite';
import { limitsText, parseLimits } from '../../rows/task-limits.ts';
import type { NewTask } from '../../store.ts';
import { prepare } from '../database/statement.ts';

/**
 * The limits that a task waits for, as JSON text: all that it names but those of its ancestors, under which it goes on as
 * a part of them. Waiting for them it could wait for its own parent.
 */
export function prepareOwnLimits(database: DatabaseSync) {
  const ancestors = prepare<[string, string], [limits: string]>(
    database,
    `with recursive ancestors (parent_id, limits) as (
       select parent_id, limits from tasks where namespace = ?1 and id = ?2
       union all
       select t.parent_id, t.limits from ancestors a join tasks t on t.namespace = ?1 and t.id = a.parent_id)
     select limits from ancestors where limits is not null`,
  );
  return ({ namespace, parentId, limits }: Pick<NewTask, 'namespace' | 'parentId' | 'limits'>) => {
    if (parentId === undefined) return limitsText(limits);
    const held = new Set(ancestors.all(namespace, parentId).flatMap(([text]) => keysOf(text)));
    return limitsText(limits?.filter(({ key }) => !held.has(key)));
  };
}

const keysOf = (text: string): string[] => parseLimits(text).map(({ key }) => key);
