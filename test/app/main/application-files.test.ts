import { describe, expect, it } from 'vitest';
import { fileFor, mimeType } from '../../../app/main/application-files';

const file = (address: string, method = 'GET') => fileFor('/pages', method, address);

describe('the application protocol', () => {
  it('serves files below its directory, and the page for the bare address', () => {
    expect(file('bioscope://app/')).toBe('/pages/index.html');
    expect(file('bioscope://app/assets/a%20b.js?x=1#y')).toBe('/pages/assets/a b.js');
  });

  it.each([
    ['another host', 'bioscope://other/index.html'],
    ['another scheme', 'https://app/index.html'],
    ['a way out, encoded', 'bioscope://app/..%2f..%2fetc%2fpasswd'],
    ['a way out into a neighbour with the same beginning', 'bioscope://app/..%2fpages-2/x'],
    ['a zero byte', 'bioscope://app/a%00.js'],
    ['bytes that are no UTF-8', 'bioscope://app/%ff'],
    ['no address', 'app'],
  ])('refuses %s', (_what, address) => {
    expect(file(address)).toBeNull();
  });

  it('refuses anything but GET', () => {
    expect(file('bioscope://app/index.html', 'POST')).toBeNull();
  });

  it('names the types the browser insists on', () => {
    expect(mimeType('/x/worker.js')).toBe('text/javascript; charset=utf-8');
    expect(mimeType('/x/inter.woff2')).toBe('font/woff2');
    expect(mimeType('/x/unknown')).toBe('application/octet-stream');
  });
});
