const maxProblems = 10;

/** `items[0].name: must be a string`: where and what. */
export function describeProblem(path: readonly PropertyKey[], message: string): string {
  const at = path
    .map((key) => (/^\d+$/.test(String(key)) ? `[${String(key)}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
  return at === '' ? message : `${at}: ${message}`;
}

/** One problem a line, the first ten: enough to act on, and it does not fill a model's context. */
export function listProblems(problems: readonly string[]): string {
  const lines = problems.slice(0, maxProblems).map((problem) => `- ${problem}`);
  const more = problems.length - lines.length;
  return [...lines, ...(more > 0 ? [`- and ${more} more`] : [])].join('\n');
}
