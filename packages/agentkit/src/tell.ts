/**
 * Tells somebody else's code something. What it throws, at once or later, is given to `onFailure`, and ends nothing: not what
 * it watches, nor the process.
 */
export function tell(listener: () => unknown, onFailure: (thrown: unknown) => void = () => {}): void {
  try {
    const said = listener();
    if (said instanceof Promise) said.catch(onFailure);
  } catch (thrown) {
    onFailure(thrown);
  }
}
