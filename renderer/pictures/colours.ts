/** The theme's colours for what is drawn on canvases, which know no CSS. */
import { useSyncExternalStore } from 'react';
import { families } from '../trace/worker/derived/rows';
import { onThemeChange, themeColour } from '../widgets/theme';

const others = ['error', 'text', 'dim', 'faint', 'line', 'pane', 'background', 'accent'] as const;

export interface Colours extends Readonly<Record<(typeof others)[number], string>> {
  /** In the order of the families' numbers. */
  readonly families: readonly string[];
}

function read(): Colours {
  const token = (name: string): string => themeColour(document.documentElement, name);
  const [error, text, dim, faint, line, pane, background, accent] = others.map(token);
  const words = { error, text, dim, faint, line, pane, background, accent };
  return { ...(words as Record<(typeof others)[number], string>), families: families.map(token) };
}

let colours: Colours | null = null;

/** The colours of the theme in use. */
export function currentColours(): Colours {
  return (colours ??= read());
}

// Whether or not a picture is open: the next one must not begin with the old colours.
onThemeChange(() => (colours = null));

export function useColours(): Colours {
  return useSyncExternalStore(onThemeChange, currentColours);
}

/** "#rrggbb" as red, green and blue, 0 … 255. */
export function channels(colour: string): [number, number, number] {
  const value = Number.parseInt(colour.slice(1), 16);
  return [(value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
