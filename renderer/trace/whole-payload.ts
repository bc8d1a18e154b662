/** The payload of one request, all of it, for filters that look into it. */
import { sequence as asSequence, type DiskId } from '../../app/contract/units';
import type { WindowBridge } from '../../app/contract/window-api';

/** Bytes of a payload asked for at once. */
const READ_BYTES = 1 << 20;

/**
 * The payload of a request; null when it is kept no longer, so that older ones
 * need not be asked for either. That is never so in a capture (`isCapture`): a
 * request without a payload, or one that cannot be read, has no bytes.
 */
export async function readWholePayload(
  bridge: Pick<WindowBridge, 'invoke'>,
  disk: DiskId,
  sequence: number,
  isCapture: boolean,
): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (let total = Infinity; offset < total;) {
    const length = Math.min(READ_BYTES, total - offset);
    const answer = await bridge.invoke('payload.read', {
      disk,
      sequence: asSequence(sequence),
      offset,
      length,
    });
    // Of one that cannot be read nothing follows for the others.
    if (!answer.ok) return new Uint8Array(0);
    if (!answer.value.kept) return isCapture ? new Uint8Array(0) : null;
    total = Number(answer.value.total);
    const part = Uint8Array.from(atob(answer.value.base64), (one) => one.charCodeAt(0));
    if (part.length === 0) break;
    parts.push(part);
    offset += part.length;
  }
  const whole = new Uint8Array(offset);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
