/** What the window remembers from one run to the next: where it was, and its zoom. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Rectangle } from 'electron';
import { z } from 'zod';

const memorySchema = z.object({
  x: z.number().int(),
  y: z.number().int(),
  width: z.number().int().min(400).max(20_000),
  height: z.number().int().min(300).max(20_000),
  isMaximized: z.boolean(),
  zoom: z.number().min(0.8).max(2),
});
export type WindowMemory = z.infer<typeof memorySchema>;

/** Null when nothing is kept, or what is kept cannot be read. */
export function recallWindow(path: string): WindowMemory | null {
  try {
    return memorySchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null;
  }
}

/** Never throws: a window that is forgotten is no reason not to close. */
export function rememberWindow(path: string, memory: WindowMemory): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, JSON.stringify(memory));
    renameSync(`${path}.new`, path);
  } catch (thrown) {
    console.error(`bioscope: ${path} cannot be written:`, thrown);
  }
}

/** True when enough of the window lies on one of the screens to be taken hold of. */
export function isReachable(bounds: Rectangle, screens: readonly Rectangle[]): boolean {
  return screens.some((screen) => {
    const right = Math.min(bounds.x + bounds.width, screen.x + screen.width);
    const width = right - Math.max(bounds.x, screen.x);
    const isTopVisible = bounds.y >= screen.y && bounds.y < screen.y + screen.height - 50;
    return width >= 100 && isTopVisible;
  });
}
