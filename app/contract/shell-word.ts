/** Commands that are shown to be copied into a terminal. */

/** `text` as one word of a shell's command line, without a character that does something to a terminal. */
export function shellWord(text: string): string {
  if (/\p{Cc}/u.test(text)) {
    const escaped = text.replace(/[\\']/g, '\\$&').replace(/\p{Cc}/gu, (character) => {
      return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
    });
    return `$'${escaped}'`;
  }
  return /^[\w./:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
