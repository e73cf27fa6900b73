import { idAt } from '../../rows/id-time.ts';
import type { ListDialect } from '../../rows/task-list.ts';

/** The indexes are named, and the joins in an order, where the planner would go through all tasks. */
const byOutcome = (index: string): string =>
  `outcomes o indexed by ${index} cross join tasks t on t.namespace = o.namespace and t.id = o.task_id
   left join queue q on q.task_id = t.id`;

export const listDialect: ListDialect = {
  from: {
    tasks: 'tasks t left join queue q on q.task_id = t.id left join outcomes o on o.task_id = t.id',
    queue: `queue q cross join tasks t on t.namespace = q.namespace and t.id = q.task_id
      left join outcomes o on o.task_id = t.id`,
    unsuccessful: byOutcome('outcomes_unsuccessful'),
    failed: byOutcome('outcomes_failed'),
  },
  idAt,
  text: (value) => value,
};
