import { describe, expect, it } from 'vitest';
import { parseWishes, receivedWishes } from '../../../app/main/command-line';

describe('the command line of the window', () => {
  it('takes images relative to the directory it was called in', () => {
    expect(parseWishes(['bioscope-app', 'a.img', '/b.img'], '/home/u', false)).toEqual({
      images: ['/home/u/a.img', '/b.img'],
      readOnly: false,
    });
  });

  it('passes over the switches of Chromium and the application path of a plain Electron', () => {
    const argv = ['electron', '--no-sandbox', '--remote-debugging-port=0', '/app', '--read-only'];
    expect(parseWishes([...argv, '--', 'a.img'], '/', true)).toEqual({
      images: ['/a.img'],
      readOnly: true,
    });
  });

  it('takes what follows -- as it is, even with a dash', () => {
    expect(parseWishes(['bioscope-app', '--', '-a.img', '--', '--read-only'], '/', false)).toEqual({
      images: ['/-a.img', '/--', '/--read-only'],
      readOnly: false,
    });
  });

  it('takes nothing from a second start that cannot be read', () => {
    expect(receivedWishes({ images: [1], readOnly: false })).toEqual({
      images: [],
      readOnly: false,
    });
    expect(receivedWishes({ images: ['/a'], readOnly: true })).toEqual({
      images: ['/a'],
      readOnly: true,
    });
  });
});
