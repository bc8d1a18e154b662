/** What the window remembers from one run to the next: small, and no harm if it is lost. */

/** The value kept under `key`, if there is one and `isValid` says it is what it was. */
export function readStored<Value>(
  key: string,
  isValid: (value: unknown) => value is Value,
  otherwise: Value,
): Value {
  try {
    const text = localStorage.getItem(`bioscope.${key}`);
    const value: unknown = text === null ? null : JSON.parse(text);
    return isValid(value) ? value : otherwise;
  } catch {
    // Storage that is off, full or spoilt: begin anew.
    return otherwise;
  }
}

export function writeStored(key: string, value: unknown): void {
  try {
    localStorage.setItem(`bioscope.${key}`, JSON.stringify(value));
  } catch {
    // Not remembered, then.
  }
}

export const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');
