/** Shorter values are left alone: they stand in every other word, and are no secrets. */
export const shortestSecret = 6;

/** Below this a form of a secret would be found in what is none. */
const shortestEncoded = 8;

/**
 * How a secret may stand in a text: as it is, escaped for JSON, a URL (both also twice), a form or HTML, within base64 (also
 * twice, and of UTF-16), and byte by byte: in hexadecimal, decimal or by the escapes of programming languages.
 */
export function formsOf(secret: string): string[] {
  if (secret.length < shortestSecret) return [];
  const escaped = escapeJson(secret);
  const url = encodeURIComponent(secret);
  const hex = Buffer.from(secret).toString('hex');
  const forms = [
    ...[secret, escaped, escaped.replaceAll('/', '\\/'), escapeNonAscii(escaped), escapeJson(escaped)],
    ...[escapeHtml(secret), encodeURIComponent(url)],
    ...[url, lowerEscapes(url), strictUrl(url), strictUrl(url).replaceAll('%20', '+')],
    ...[hex, hex.toUpperCase(), ...byteForms(secret)],
    ...base64Forms(Buffer.from(secret)),
    ...base64Forms(Buffer.from(secret, 'utf16le')),
    ...base64Forms(Buffer.from(Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1))),
  ];
  return [...new Set(forms)];
}

/** Each byte (of UTF-8; for `\\u` and HTML each unit of UTF-16) written out, as dumps and programming languages do it. */
function byteForms(secret: string): string[] {
  const bytes = [...Buffer.from(secret)];
  const units = Array.from(secret, (_, index) => secret.charCodeAt(index));
  const hex = (numbers: readonly number[], before: string, between = '', digits = 2): string[] => {
    const all = numbers.map((each) => each.toString(16).padStart(digits, '0'));
    return [all, all.map((each) => each.toUpperCase())].map((each) => before + each.join(between + before));
  };
  return [
    ...[':', ' ', '-'].flatMap((between) => hex(bytes, '', between)),
    ...[...hex(bytes, '%'), ...hex(bytes, '\\x'), ...hex(units, '\\u', '', 4)],
    ...[...hex(bytes, '0x', ','), ...hex(bytes, '0x', ', ')],
    ...[bytes.join(','), bytes.join(', ')],
    ...[units.map((each) => `&#${each};`).join(''), ...hex(units, '&#x', ';', 1)],
  ];
}

const escapeJson = (text: string): string => JSON.stringify(text).slice(1, -1);

const htmlEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};
const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => htmlEscapes[character] as string);

const escapeNonAscii = (text: string): string =>
  text.replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

const lowerEscapes = (url: string): string => url.replace(/%[0-9A-F]{2}/g, (each) => each.toLowerCase());

/** As others than JavaScript escape URLs. */
const strictUrl = (url: string): string =>
  url.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * The characters of base64 that the secret alone decides, for each of the three places at which it may begin in the
 * bytes that were encoded (`user:secret` in an Authorization header), in both alphabets.
 */
function base64Forms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor(((before + bytes.length) * 8) / 6);
    const own = encoded.slice(first, last);
    if (own.length < shortestEncoded) return [];
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
