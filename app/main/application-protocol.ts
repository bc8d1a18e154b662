/**
 * bioscope://app/: the window's own files, and nothing else, under a content
 * security policy that allows no inline script, no eval and nothing remote.
 */
import { protocol } from 'electron';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';

export const scheme = 'bioscope';
export const origin = `${scheme}://app`;
export const windowAddress = `${origin}/index.html`;

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

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

/** Must be called before the app is ready. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
}

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

const refused = (status: number, text: string) =>
  new Response(text, { status, headers: { 'content-type': 'text/plain' } });

/** Serves `directory`, for the life of the process. Call when the app is ready. */
export function serveApplication(directory: string): void {
  protocol.handle(scheme, async ({ method, url }) => {
    const file = fileFor(directory, method, url);
    if (file === null) return refused(403, 'refused');
    try {
      return new Response(await readFile(file), {
        headers: {
          'content-type': types[extname(file)] ?? 'application/octet-stream',
          'content-security-policy': policy,
          'x-content-type-options': 'nosniff',
          'cache-control': 'no-cache',
        },
      });
    } catch {
      return refused(404, `not found: ${url}`);
    }
  });
}
