/** Requests whose bytes a test chose, and the image that their writes leave. */

const SECTOR = 512;

export interface PlantedRequest {
  readonly operation: 'read' | 'write';
  readonly sector: number;
  readonly base64: string;
}

export class PlantedRequests {
  readonly #payloads = new Map<number, Uint8Array>();
  /** Sectors written, as they are now. */
  readonly #image = new Map<number, Uint8Array>();

  /** Takes `request` as the one numbered `sequence`; returns its length in bytes. */
  add(sequence: number, request: PlantedRequest): number {
    const binary = atob(request.base64);
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    this.#payloads.set(sequence, bytes);
    if (request.operation === 'write') {
      for (let at = 0; at < bytes.length; at += SECTOR) {
        this.#image.set(request.sector + at / SECTOR, bytes.subarray(at, at + SECTOR));
      }
    }
    return bytes.length;
  }

  payload(sequence: number): Uint8Array | undefined {
    return this.#payloads.get(sequence);
  }

  /** `image`, which begins at `sector`, with what was written over it. */
  over(image: Uint8Array, sector: bigint): Uint8Array {
    for (let at = 0; at < image.length; at += SECTOR) {
      const written = this.#image.get(Number(sector) + at / SECTOR);
      if (written) image.set(written.subarray(0, image.length - at), at);
    }
    return image;
  }
}
