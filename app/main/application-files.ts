/** The addresses of the window's files: bioscope://app/… and what each one means on disk. */
import { extname, join, normalize, sep } from 'node:path';

export const scheme = 'bioscope';
export const origin = `${scheme}://app`;
export const windowAddress = `${origin}/index.html`;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.woff': 'font/woff',
};

export const mimeType = (file: string): string =>
  types[extname(file)] ?? 'application/octet-stream';

/** The file below `directory` that a request means; null when it means none. */
export function fileFor(directory: string, method: string, address: string): string | null {
  let path: string;
  try {
    const url = new URL(address);
    if (url.protocol !== `${scheme}:` || url.host !== 'app' || method !== 'GET') return null;
    path = decodeURIComponent(url.pathname);
  } catch {
    return null; // not an address, or not UTF-8
  }
  if (path.includes('\0')) return null;
  const file = normalize(join(directory, path === '/' ? 'index.html' : path));
  return file.startsWith(directory + sep) ? file : null;
}
