/** Pictures and their numbers as files: PNG, SVG, CSV. The browser asks where to. */
import type { Colours } from './colours';
import type { Picture } from './picture';
import { CanvasSurface, type Size, SvgSurface } from './surface';

export type FileKind = 'png' | 'svg' | 'csv';

/** A PNG has twice the pixels, for print. */
const PNG_SCALE = 2;

/** RFC 4180: what has a comma, a quote or an end of a line is quoted. */
export function csvText(rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number): string => {
    const text = typeof value === 'number' && !Number.isFinite(value) ? '' : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

export function svgText<Result>(
  picture: Picture<Result>,
  result: Result,
  size: Size,
  colours: Colours,
): string {
  const surface = new SvgSurface();
  surface.rect(0, 0, size.width, size.height, colours.background);
  picture.draw(surface, size, result, colours);
  return surface.document(size);
}

function pngBlob<Result>(
  picture: Picture<Result>,
  result: Result,
  { width, height }: Size,
  colours: Colours,
): Promise<Blob> {
  const canvas = document.createElement('canvas');
  canvas.width = width * PNG_SCALE;
  canvas.height = height * PNG_SCALE;
  const context = canvas.getContext('2d');
  if (!context) return Promise.reject(new Error('this window can draw on no canvas'));
  const surface = new CanvasSurface(context, PNG_SCALE);
  surface.rect(0, 0, width, height, colours.background);
  picture.draw(surface, { width, height }, result, colours);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error('the picture could not be made a PNG: it may be too large'));
    }, 'image/png');
  });
}

/** Offers the picture as a file called `name` with the kind's ending. Rejects when it cannot be made. */
export async function savePicture<Result>(
  kind: FileKind,
  name: string,
  picture: Picture<Result>,
  result: Result,
  size: Size,
  colours: Colours,
): Promise<void> {
  const blob =
    kind === 'png'
      ? await pngBlob(picture, result, size, colours)
      : kind === 'svg'
        ? new Blob([svgText(picture, result, size, colours)], { type: 'image/svg+xml' })
        : new Blob([csvText(picture.rows(result))], { type: 'text/csv' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${name}.${kind}`;
  link.click();
  // The download has its own hold on the bytes once it has begun.
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
