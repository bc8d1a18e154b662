/** When the colours are others, for what CSS cannot draw: canvases. */

const queries = [
  '(prefers-color-scheme: light)',
  '(prefers-contrast: more)',
  '(forced-colors: active)',
].map((query) => window.matchMedia(query));

/** Calls `listener` when another theme, contrast or the user's own colours are wanted; returns what ends that. */
export function onThemeChange(listener: () => void): () => void {
  for (const query of queries) query.addEventListener('change', listener);
  return () => {
    for (const query of queries) query.removeEventListener('change', listener);
  };
}

/**
 * The value of a colour's token at `element`, as "#rrggbb": a token may name a colour of the
 * system's, which canvases and WebGL do not know.
 */
export function themeColour(element: Element, name: string): string {
  const value = getComputedStyle(element).getPropertyValue(`--${name}`).trim();
  return value.startsWith('#') ? value : resolved(value);
}

function resolved(colour: string): string {
  const probe = document.createElement('span');
  probe.style.setProperty('forced-color-adjust', 'none');
  probe.style.color = colour;
  document.body.append(probe);
  const computed = getComputedStyle(probe).color;
  probe.remove();
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) return '#808080';
  context.fillStyle = computed;
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0] = context.getImageData(0, 0, 1, 1).data;
  return `#${((red << 16) | (green << 8) | blue).toString(16).padStart(6, '0')}`;
}
