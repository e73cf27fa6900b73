/** Vendors' tokenizers differ by that much. */
const margin = 1.15;
/** Of a longer text, pieces of so many characters in all are looked at, evenly over it. */
const mostCharacters = 64 * 1024;
const pieceLength = 1024;

const [lower, upper, digit, space, sign, letter, ideograph, surrogate, rare] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8,
] as const;
/** What the first of a run of one kind costs, and each further one. Fitted to OpenAI's o200k_base. */
const firstCosts = [1, 1, 1, 0.1, 0.75, 1, 1, 2, 2.8] as const;
const furtherCosts = [0, 0.5, 0.4, 0.1, 0.6, 0.4, 0.9, 2, 2.8] as const;
/** A run of one blank is one token, of several kinds many. */
const otherBlankCost = 0.7;

/** First and last codes of scripts and signs that tokenizers know by their bytes only. */
const rareRanges: readonly (readonly [first: number, last: number])[] = [
  [0x300, 0x36f], // marks that stand on letters
  [0x700, 0x8ff], // Syriac to Mandaic
  [0xe80, 0xfff], // Lao, Tibetan
  [0x1200, 0x177f], // Ethiopic, Cherokee, Canadian syllables, Runic
  [0x1800, 0x1dff], // Mongolian to Vedic
  [0x2200, 0x23ff], // mathematics
  [0x2800, 0x28ff], // Braille
  [0xa000, 0xabff], // Yi to Cherokee
  [0xff61, 0xff9f], // narrow Katakana
];

/**
 * About how many tokens a text is, without a tokenizer, rather too many than too few: words cost by their number, and what is
 * no words (numbers, base64, scripts without spaces, emoji) by the character.
 */
export function tokensOfText(text: string): number {
  const stride = Math.max(1, Math.ceil(text.length / mostCharacters));
  let tokens = 0;
  for (let at = 0; at < text.length; at += pieceLength * stride)
    tokens += costOfPiece(text, at, Math.min(text.length, at + pieceLength));
  return Math.ceil(tokens * stride * margin);
}

function costOfPiece(text: string, from: number, to: number): number {
  let cost = 0;
  let before: number = space;
  let length = 0;
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at);
    const kind = kindOf(code);
    // a capital letter and what follows are one word
    const goesOn = kind === before || (kind === lower && before === upper && length === 1);
    length = goesOn ? length + 1 : 1;
    before = kind;
    cost += goesOn ? furtherCosts[kind] : firstCosts[kind];
    if (kind === space && goesOn && code !== 10 && code !== text.charCodeAt(at - 1)) cost += otherBlankCost;
    if (kind === lower) cost += costOfLetter(code, length);
  }
  return cost;
}

/** Words that are long, or of letters that are rare, are made of several tokens. */
function costOfLetter(code: number, length: number): number {
  if (code >= 128) return 0.4;
  return length > 24 ? 0.5 : length > 8 ? 0.2 : 0;
}

/** Letters of alphabets with accents count as `lower`. */
function kindOf(code: number): 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 {
  if (code >= 97 && code <= 122) return lower;
  if (code === 32 || (code >= 9 && code <= 13)) return space;
  if (code >= 65 && code <= 90) return upper;
  if (code >= 48 && code <= 57) return digit;
  if (code < 32) return ideograph;
  if (code < 128) return sign;
  if (code < 0x250 || (code >= 0x1e00 && code < 0x1f00)) return lower;
  if (rareRanges.some(([first, last]) => code >= first && code <= last)) return rare;
  const isSinhala = code >= 0xd80 && code < 0xe00;
  const isBurmese = code >= 0x1000 && code < 0x10a0;
  if (code < 0x1100 && !isSinhala && !isBurmese) return letter;
  if (code >= 0xd800 && code < 0xe000) return surrogate;
  return ideograph;
}
