const constants: ReadonlyMap<string, number> = new Map([
  ['pi', Math.PI],
  ['e', Math.E],
]);

const functions: ReadonlyMap<string, (...values: number[]) => number> = new Map([
  ['abs', Math.abs],
  ['ceil', Math.ceil],
  ['floor', Math.floor],
  ['round', Math.round],
  ['sqrt', Math.sqrt],
  ['exp', Math.exp],
  ['ln', Math.log],
  ['log10', Math.log10],
  ['sin', Math.sin],
  ['cos', Math.cos],
  ['tan', Math.tan],
  ['min', Math.min],
  ['max', Math.max],
]);

const takesMany = new Set(['min', 'max']);
const maxDepth = 100;

const token =
  /\s*(?:(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<name>[a-zA-Z]\w*)|(?<sign>[-+*/%^(),]))/y;

/**
 * The value of an arithmetic expression. `^` binds to the right and tighter than a sign before it (-2 ^ 2 is -4).
 * Throws RangeError for a result that is no finite number, SyntaxError, with the column, for everything else.
 */
export function evaluateExpression(text: string): number {
  const parser = new Parser(text);
  const value = parser.sum();
  parser.end();
  if (!Number.isFinite(value)) throw new RangeError(`The result is ${value}`);
  return value;
}

interface Token {
  kind: 'number' | 'name' | 'sign' | 'end';
  text: string;
  column: number;
}

/** Recursive descent: sum → product → signed → power → atom. */
class Parser {
  readonly #text: string;
  #next: Token;
  #position = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#next = this.#read();
  }

  sum(): number {
    this.#descend();
    let value = this.#product();
    for (;;) {
      if (this.#takes('+')) value += this.#product();
      else if (this.#takes('-')) value -= this.#product();
      else break;
    }
    this.#depth -= 1;
    return value;
  }

  end(): void {
    if (this.#next.kind !== 'end') throw this.#unexpected();
  }

  #product(): number {
    let value = this.#signed();
    for (;;) {
      if (this.#takes('*')) value *= this.#signed();
      else if (this.#takes('/')) value /= this.#signed();
      else if (this.#takes('%')) value %= this.#signed();
      else return value;
    }
  }

  #signed(): number {
    this.#descend();
    const value = this.#takes('-') ? -this.#signed() : this.#takes('+') ? this.#signed() : this.#power();
    this.#depth -= 1;
    return value;
  }

  #power(): number {
    const base = this.#atom();
    return this.#takes('^') ? base ** this.#signed() : base;
  }

  #atom(): number {
    if (this.#takes('(')) {
      const value = this.sum();
      this.#expect(')');
      return value;
    }
    const { kind, text } = this.#next;
    if (kind === 'number') {
      this.#advance();
      return Number(text);
    }
    if (kind === 'name') return this.#named(text);
    throw this.#unexpected();
  }

  #named(name: string): number {
    const constant = constants.get(name);
    const apply = functions.get(name);
    if (constant === undefined && apply === undefined) throw this.#unexpected();
    this.#advance();
    if (apply === undefined) return constant as number;
    this.#expect('(');
    const values = [this.sum()];
    while (takesMany.has(name) && this.#takes(',')) values.push(this.sum());
    this.#expect(')');
    return apply(...values);
  }

  #takes(sign: string): boolean {
    if (this.#next.kind !== 'sign' || this.#next.text !== sign) return false;
    this.#advance();
    return true;
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) throw this.#unexpected(`"${sign}" was expected`);
  }

  #advance(): void {
    this.#next = this.#read();
  }

  #read(): Token {
    token.lastIndex = this.#position;
    const { number, name, sign } = token.exec(this.#text)?.groups ?? {};
    const text = number ?? name ?? sign ?? '';
    if (text === '') {
      const rest = this.#text.slice(this.#position).trimStart();
      const column = this.#text.length - rest.length + 1;
      if (rest !== '')
        throw new SyntaxError(`Unexpected ${JSON.stringify(rest.charAt(0))} at column ${column}`);
      return { kind: 'end', text: 'end', column };
    }
    this.#position = token.lastIndex;
    const kind = number !== undefined ? 'number' : name !== undefined ? 'name' : 'sign';
    return { kind, text, column: this.#position - text.length + 1 };
  }

  #descend(): void {
    this.#depth += 1;
    if (this.#depth > maxDepth) throw new SyntaxError(`Nested more than ${maxDepth} deep`);
  }

  #unexpected(expectation = ''): SyntaxError {
    const { kind, text, column } = this.#next;
    const found = kind === 'end' ? 'end' : JSON.stringify(text);
    return new SyntaxError(`Unexpected ${found} at column ${column}${expectation && `: ${expectation}`}`);
  }
}
