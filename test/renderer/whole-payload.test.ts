import { expect, test } from 'vitest';
import type { Answer } from '../../app/contract/errors';
import { bytes, diskId } from '../../app/contract/units';
import type { WindowBridge, WindowChannel, WindowResult } from '../../app/contract/window-api';
import { readWholePayload } from '../../renderer/trace/whole-payload';

type PayloadAnswer = Answer<WindowResult<'payload.read'>>;

/** Gives every question the answers of `answers`, one after the other. */
function answering(...answers: readonly PayloadAnswer[]): Pick<WindowBridge, 'invoke'> {
  const rest = [...answers];
  return {
    invoke: <Channel extends WindowChannel>() =>
      Promise.resolve(rest.shift() as unknown as Answer<WindowResult<Channel>>),
  };
}

const disk = diskId('capture-1');
const part = (text: string, total: number): PayloadAnswer => ({
  ok: true,
  value: { kept: true, total: bytes(BigInt(total)), base64: btoa(text) },
});
const notKept: PayloadAnswer = { ok: true, value: { kept: false } };
const refused: PayloadAnswer = {
  ok: false,
  error: {
    code: 'CAPTURE_DAMAGED',
    errno: 'EBADMSG',
    message: 'damaged',
    injected: false,
    holders: [],
  },
};

test('a payload is put together from its parts', async () => {
  const whole = await readWholePayload(answering(part('abc', 5), part('de', 5)), disk, 1, false);
  expect(whole && Buffer.from(whole).toString()).toBe('abcde');
});

test('one that a disk keeps no longer is gone; in a capture it has no bytes', async () => {
  expect(await readWholePayload(answering(notKept), disk, 1, false)).toBeNull();
  expect(await readWholePayload(answering(notKept), disk, 1, true)).toEqual(new Uint8Array(0));
});

test('one that cannot be read says nothing of those before it', async () => {
  expect(await readWholePayload(answering(refused), disk, 1, false)).toEqual(new Uint8Array(0));
});
