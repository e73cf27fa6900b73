import { describeProblem } from './problem-list.ts';
import type { StandardIssue } from './standard-schema.ts';

/** Of a union that nothing fits: so many alternatives are told, and so many problems of each. */
const most = { alternatives: 10, problems: 3 };

/**
 * Where and what. Of a union zod itself says only that nothing fits: then what is wrong by its alternatives, or by the one
 * that fits but for something within it.
 */
export function describeIssue(issue: StandardIssue, outer: readonly PropertyKey[] = []): string[] {
  const path = [...outer, ...pathOf(issue)];
  const alternatives = alternativesOf(issue);
  if (alternatives.length === 0) return [describeProblem(path, issue.message)];
  const near = alternatives.filter((problems) => problems.every((each) => pathOf(each).length > 0));
  const [nearest, ...others] = near;
  if (nearest !== undefined && others.length === 0)
    return nearest.flatMap((each) => describeIssue(each, path));
  const told = (near.length > 0 ? near : alternatives).slice(0, most.alternatives).map((problems) =>
    problems
      .slice(0, most.problems)
      .map((each) => describeProblem([...path, ...pathOf(each)], each.message))
      .join(' and '),
  );
  return [[...new Set(told)].join('; or ')];
}

const pathOf = ({ path = [] }: StandardIssue): PropertyKey[] =>
  path.map((segment) => (typeof segment === 'object' ? segment.key : segment));

function alternativesOf(issue: StandardIssue): StandardIssue[][] {
  const { code, errors } = issue as StandardIssue & { code?: unknown; errors?: unknown };
  return code === 'invalid_union' && Array.isArray(errors) ? errors.filter((each) => each.length > 0) : [];
}
