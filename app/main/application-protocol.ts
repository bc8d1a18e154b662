/**
 * bioscope://app/: the window's own files, and nothing else, under a content
 * security policy that allows no inline script, no eval and nothing remote.
 */
import { protocol } from 'electron';
import { readFile } from 'node:fs/promises';
import { fileFor, mimeType, scheme } from './application-files';

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

/** Must be called before the app is ready. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
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
          'content-type': mimeType(file),
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
